import type { ContentRef } from '../core/content.js';
import { RuntimeError } from '../core/errors.js';
import type { ContentBlock } from '../core/upstream.js';
import { Breather } from '../lib/breather.js';
import { describeMedia } from './describe.js';
import { JsonString } from './json-string.js';
import { type Kept, keepLong, type LongText } from './long-text.js';
import { mediaTypeOf } from './media.js';
import type { NewContent } from './store.js';
import { fitsTokens } from './tokens.js';

/** What offloading needs from the store. */
export interface Keeper {
  readonly maxTokens: number;
  readonly ttlMs: number;
  put(content: NewContent): Promise<ContentRef>;
  chunksOf(ref: ContentRef): Promise<number>;
  /** What an image shows, in words; undefined when nobody can tell in time. Never rejects. */
  describeImage?(image: Buffer, mimeType: string): Promise<string | undefined>;
  /** Resources that the result names: whoever got it may read them. */
  noteLinks?(uris: readonly string[]): void;
}

/** A block as it will be given, or a long text whose head can still be made shorter. */
export type Part =
  | { readonly block: ContentBlock }
  | { readonly long: LongText; readonly around: ContentBlock };
/** A part, or a picture whose description is still being asked for. */
type Pending =
  | Part
  | { readonly words: Promise<string | undefined>; finish(words: string | undefined): Part };

/** The parts of a result, one for each block. Descriptions of several pictures are waited for together. */
export async function replaceBlocks(blocks: readonly ContentBlock[], keeper: Keeper): Promise<Part[]> {
  const parts: Pending[] = [];
  const breather = new Breather();
  for (const block of blocks) {
    parts.push(await replaceBlock(block, keeper));
    if (breather.isDue) await breather.pause();
  }
  return Promise.all(parts.map(async (part) => ('words' in part ? part.finish(await part.words) : part)));
}

/** URIs of linked and embedded resources. */
export function linksIn(blocks: readonly ContentBlock[]): string[] {
  const uris = blocks.map((block) =>
    block?.type === 'resource_link'
      ? block['uri']
      : block?.type === 'resource'
        ? (block['resource'] as { uri?: unknown } | undefined)?.uri
        : undefined,
  );
  return uris.filter((uri): uri is string => typeof uri === 'string' && uri !== '');
}

async function replaceBlock(block: ContentBlock, keeper: Keeper): Promise<Pending> {
  if (typeof block !== 'object' || block === null) return { block };
  const { type } = block;
  if ((type === 'image' || type === 'audio') && isText(block['data'])) {
    const mimeType = typeof block['mimeType'] === 'string' ? block['mimeType'] : `${type}/*`;
    return replaceMedia(block, type, type, mimeType, block['data'], keeper);
  }
  if (type === 'text' && isText(block['text'])) {
    return (await long({ ...block, text: '' }, block['text'], undefined, keeper)) ?? { block };
  }
  if (type === 'resource') return await replaceResource(block, keeper);
  const json = JSON.stringify(block);
  return (
    (await long(
      textBlock(block, `A content block of type ${type}:\n`),
      json,
      'application/json',
      keeper,
    )) ?? { block }
  );
}

async function replaceResource(block: ContentBlock, keeper: Keeper): Promise<Pending> {
  const resource = block['resource'];
  if (typeof resource !== 'object' || resource === null) return { block };
  const { uri, mimeType, text, blob } = resource as Record<string, unknown>;
  const name = typeof uri === 'string' ? uri : 'without a URI';
  if (isText(blob)) {
    const type = typeof mimeType === 'string' ? mimeType : (mediaTypeOf(name) ?? 'application/octet-stream');
    const kind = type.startsWith('image/') ? 'image' : type.startsWith('audio/') ? 'audio' : 'binary';
    if (kind === 'binary' && typeof blob === 'string' && (await fitsTokens(blob, keeper.maxTokens)))
      return { block };
    return replaceMedia(block, kind, `resource ${name}`, type, blob, keeper);
  }
  if (!isText(text)) return { block };
  const type = typeof mimeType === 'string' ? mimeType : undefined;
  return (await long(textBlock(block, `Resource ${name}:\n`), text, type, keeper)) ?? { block };
}

async function replaceMedia(
  block: ContentBlock,
  kind: ContentRef['kind'],
  label: string,
  mimeType: string,
  base64: string | JsonString,
  keeper: Keeper,
): Promise<Pending> {
  const bytes = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : base64.decodeBase64();
  const kept = await keep({ kind, mimeType, data: bytes }, keeper);
  const finish = (words?: string): Part => ({
    block: textBlock(block, describeMedia(label, mimeType, bytes, kept, words)),
  });
  const words = kind === 'image' ? keeper.describeImage?.(bytes, mimeType) : undefined;
  return words ? { words, finish } : finish();
}

const isText = (value: unknown): value is string | JsonString =>
  typeof value === 'string' || value instanceof JsonString;

/** The part for a text above the limit; undefined for one that fits. `around` is the block that its head is put into. */
async function long(
  around: ContentBlock,
  text: string | JsonString,
  mimeType: string | undefined,
  keeper: Keeper,
): Promise<Part | undefined> {
  const found = await keepLong(text, mimeType, keeper.maxTokens, (content) => keep(content, keeper));
  return found && { long: found, around };
}

export async function keep(content: NewContent, keeper: Keeper): Promise<Kept> {
  try {
    const ref = await keeper.put(content);
    const chunks = content.kind === 'text' ? await keeper.chunksOf(ref) : 1;
    return { ref, chunks, ttlMs: keeper.ttlMs };
  } catch (error) {
    if (error instanceof RuntimeError) return { lost: error.message };
    throw error;
  }
}

/** Annotations and `_meta` of the block stay with what takes its place. */
function textBlock(block: ContentBlock, text: string): ContentBlock {
  const { annotations, _meta } = block;
  return {
    type: 'text',
    text,
    ...(annotations === undefined ? {} : { annotations }),
    ...(_meta === undefined ? {} : { _meta }),
  };
}
