import type { ContentRef } from '../core/content.js';
import { RuntimeError } from '../core/errors.js';
import { type ByteSource, bufferSource, rangeSource } from './bytes.js';
import { type ChunkMap, chunkRange, chunkTotal, mapChunks } from './chunks.js';
import type { ContentRecord } from './content-rows.js';
import { locateLines, parseLines } from './lines.js';
import { humanBytes } from './media.js';
import type { ContentStore } from './store.js';
import type { StoredFile } from './stored-file.js';

/** What is asked for. Nothing: the whole. `lines` may be combined with `search`, `chunkIndex` with `lines` or `jsonPath`. */
export interface ReadRequest {
  /** From 0. With `lines` or `jsonPath` a chunk of what they select. */
  readonly chunkIndex?: number | undefined;
  /** `"120-180"`, `"120"`, `"120-"`; lines count from 1. */
  readonly lines?: string | undefined;
  /** A regular expression (RE2). */
  readonly search?: string | undefined;
  /** RFC 9535, for JSON and JSON Lines. */
  readonly jsonPath?: string | undefined;
}

export interface ContentPart {
  readonly ref: string;
  readonly kind: ContentRef['kind'];
  readonly mimeType: string;
  /** Text, for kind `text`; for an image what it shows, where that is known. */
  readonly text?: string | undefined;
  /** Base64, for every other kind. */
  readonly data?: string | undefined;
  /** `index` counts from 0; people are shown `[Chunk index+1/total]`. */
  readonly chunk?: { readonly index: number; readonly total: number } | undefined;
  /** How to go on, one sentence. */
  readonly next?: string | undefined;
}

export interface ReadLimits {
  /** Tokens of one part. */
  readonly tokens: number;
  /** Bytes of a text given as a whole. */
  readonly wholeBytes: number;
  /** Bytes of an image or sound. */
  readonly mediaBytes: number;
  /** Bytes of JSON that is parsed for a path. */
  readonly jsonBytes: number;
  /** Bytes searched for one answer. */
  readonly searchBytes: number;
}

/** @throws RuntimeError CONTENT_NOT_FOUND, INVALID_ARGUMENTS (says what fits), STORAGE_FAILED. */
export async function readContent(
  store: ContentStore,
  principal: string,
  refId: unknown,
  request: ReadRequest,
  limits: ReadLimits,
): Promise<ContentPart> {
  const record = store.find(principal, refId);
  const asked = checked(request, record);
  await using file = await store.open(record);
  const base = { ref: record.id, kind: record.kind, mimeType: record.mimeType };
  if (record.kind !== 'text') {
    if (asked.chunkIndex !== undefined) checkIndex(asked.chunkIndex, 1);
    if (record.bytes > limits.mediaBytes) throw tooLarge(record, limits.mediaBytes);
    return { ...base, data: (await file.read(0, record.bytes)).toString('base64') };
  }
  return { ...base, ...(await readText(store, record, file, asked, limits)) };
}

type TextPart = Pick<ContentPart, 'text' | 'chunk' | 'next'>;

async function readText(
  store: ContentStore,
  record: ContentRecord,
  file: StoredFile,
  asked: ReadRequest,
  limits: ReadLimits,
): Promise<TextPart> {
  const call = (more: Record<string, string | number>) =>
    `get_content(${Object.entries({ ref_id: record.id, ...more })
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .join(', ')})`;
  const { search, lines, jsonPath, chunkIndex } = asked;

  if (search !== undefined) {
    // Regular expressions are a quarter of the engine's code, and most never need them.
    const { compilePattern, searchLines } = await import('./search.js');
    const pattern = compilePattern(search);
    const range = lines === undefined ? { from: 1, to: undefined } : parseLines(lines);
    const { start, end } = await locateLines(file, range);
    const found = await searchLines(rangeSource(file, start, end), pattern, range.from, {
      tokens: limits.tokens,
      bytes: limits.searchBytes,
    });
    const goesOn = found.resumeAt !== undefined && (range.to === undefined || found.resumeAt <= range.to);
    const next = goesOn
      ? `${call({ search, lines: `${found.resumeAt}-${range.to ?? ''}` })} goes on.`
      : undefined;
    return { text: found.text, next };
  }

  if (jsonPath !== undefined) {
    if (file.size > limits.jsonBytes) {
      throw new RuntimeError(
        'INVALID_ARGUMENTS',
        `json_path works up to ${humanBytes(limits.jsonBytes)}; this content has ${humanBytes(file.size)}.`,
        { hint: `Use ${call({ search: 'regex' })} or ${call({ lines: '1-100' })}.` },
      );
    }
    const { queryJson } = await import('./json-path.js');
    const found = await queryJson((await file.read(0, file.size)).toString('utf8'), jsonPath);
    if (found.matches === 0)
      return { text: found.text, next: `Nothing matches. The content is ${found.outline}.` };
    const source = bufferSource(Buffer.from(found.text));
    return await part(source, chunkIndex, limits.tokens, (index) =>
      call({ json_path: jsonPath, chunk_index: index }),
    );
  }

  if (lines !== undefined) {
    const { start, end } = await locateLines(file, parseLines(lines));
    const source = rangeSource(file, start, end);
    return await part(source, chunkIndex, limits.tokens, (index) => call({ lines, chunk_index: index }));
  }

  if (chunkIndex !== undefined) {
    const map = await store.chunkMap(record, file, limits.tokens);
    return await chunk(file, map, chunkIndex, (index) => call({ chunk_index: index }));
  }

  if (file.size > limits.wholeBytes) {
    const map = await store.chunkMap(record, file, limits.tokens);
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `The content has ${humanBytes(file.size)}; as a whole at most ${humanBytes(limits.wholeBytes)} are given.`,
      {
        hint: `Read a part: ${call({ chunk_index: 0 })} of ${chunkTotal(map)} chunks, ${call({ lines: '1-100' })}, or ${call({ search: 'regex' })}.`,
        data: { bytes: file.size, chunks: chunkTotal(map) },
      },
    );
  }
  return { text: (await file.read(0, file.size)).toString('utf8') };
}

/** A selection: whole when it fits, else one chunk of it. */
async function part(
  source: ByteSource,
  index: number | undefined,
  tokens: number,
  call: (index: number) => string,
): Promise<TextPart> {
  const map = await mapChunks(source, tokens);
  if (index === undefined && chunkTotal(map) === 1)
    return { text: (await source.read(0, source.size)).toString('utf8') };
  return await chunk(source, map, index ?? 0, call);
}

async function chunk(
  source: ByteSource,
  map: ChunkMap,
  index: number,
  call: (index: number) => string,
): Promise<TextPart> {
  const total = chunkTotal(map);
  checkIndex(index, total);
  const { start, end } = await chunkRange(source, map, index);
  const text = (await source.read(start, end)).toString('utf8');
  return {
    text,
    chunk: { index, total },
    next: index + 1 < total ? `${call(index + 1)} goes on.` : undefined,
  };
}

function checkIndex(index: number, total: number): void {
  if (Number.isInteger(index) && index >= 0 && index < total) return;
  throw new RuntimeError(
    'INVALID_ARGUMENTS',
    `chunk_index must be an integer from 0 to ${total - 1}, not ${index}.`,
    {
      hint: total === 1 ? 'The content is one chunk.' : `The content has ${total} chunks; the first is 0.`,
      data: { chunks: total },
    },
  );
}

function checked(request: ReadRequest, record: ContentRecord): ReadRequest {
  const { lines, search, jsonPath } = request;
  if (record.kind !== 'text' && (lines ?? search ?? jsonPath) !== undefined) {
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `lines, search and json_path are for text; this is ${record.mimeType}.`,
      {
        hint: `get_content(ref_id="${record.id}") gives it.`,
      },
    );
  }
  if (jsonPath !== undefined && (lines ?? search) !== undefined) {
    throw new RuntimeError('INVALID_ARGUMENTS', 'json_path cannot be combined with lines or search.', {
      hint: 'Ask for one of them.',
    });
  }
  if (search !== undefined && request.chunkIndex !== undefined) {
    throw new RuntimeError('INVALID_ARGUMENTS', 'search cannot be combined with chunk_index.', {
      hint: 'lines="501-" restricts a search to what follows.',
    });
  }
  return request;
}

const tooLarge = (record: ContentRecord, most: number) =>
  new RuntimeError(
    'INVALID_ARGUMENTS',
    `The ${record.kind} has ${humanBytes(record.bytes)}; at most ${humanBytes(most)} are given to a client.`,
    { hint: 'Ask the tool for a smaller one.' },
  );
