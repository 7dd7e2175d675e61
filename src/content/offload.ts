import { Payload } from '../core/payload.js';
import type { CallToolResult, ContentBlock } from '../core/upstream.js';
import { Breather } from '../lib/breather.js';
import { sha256 } from '../lib/hash.js';
import { describeText } from './describe.js';
import { Lifted } from './lifted.js';
import { type Kept, keepLong, liftedFrom } from './long-text.js';
import { type Keeper, keep, linksIn, type Part, replaceBlocks } from './replace-block.js';
import { keepJson, standInFor } from './stand-in.js';
import { fitsTokens, tokensWithin } from './tokens.js';

/** Room that the words around a head take, in tokens. */
const DESCRIPTION = 250;
/** Heads get shorter, then go, when many long texts share one result. */
const HEAD_SHARES = [1 / 4, 1 / 16, 0];

/**
 * Replaces what is too large for a model's context, and images and sounds of any size, by short descriptions with
 * references. Everything else passes as it came; a result that needs nothing is given back as the same object, and one
 * of which `needsNothing` says so need not be brought here at all. Never throws for want of storage: the call has had
 * its effects already, so what cannot be kept is cut and marked.
 */
export async function offloadResult(
  payload: Payload<CallToolResult>,
  keeper: Keeper,
): Promise<Payload<CallToolResult>> {
  const lifted = Lifted.from(payload.pieces, liftedFrom(keeper.maxTokens));
  const result = lifted ? withLongStrings(lifted) : payload.value;
  if (typeof result !== 'object' || result === null) return payload;
  try {
    return await replaceParts(payload, result, keeper);
  } catch (error) {
    // JSON that is nested thousands of levels deep parses but cannot be printed again.
    if (!(error instanceof RangeError)) throw error;
    return await replaceWhole(payload, result, keeper);
  }
}

/** Whether a result is so small, and so surely without media, that it is not even parsed. */
export function needsNothing(payload: Payload<CallToolResult>, maxTokens: number): boolean {
  return payload.byteLength <= maxTokens && !mayHoldMedia(payload.bytes);
}

/** A search through bytes crosses into native code, which for a short text costs more than the search. */
const SHORT = 4_096;
const MEDIA = /"(?:image"|audio"|resource)/;

/** Small results are looked at only when they might hold an image, a sound, or a resource. */
function mayHoldMedia(bytes: Uint8Array): boolean {
  const json = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (json.byteLength <= SHORT) return MEDIA.test(json.toString('latin1'));
  return json.includes('"image"') || json.includes('"audio"') || json.includes('"resource');
}

async function replaceParts(
  payload: Payload<CallToolResult>,
  result: CallToolResult,
  keeper: Keeper,
): Promise<Payload<CallToolResult>> {
  const blocks = Array.isArray(result.content) ? (result.content as readonly ContentBlock[]) : [];
  keeper.noteLinks?.(linksIn(blocks));
  const parts = await replaceBlocks(blocks, keeper);
  const content = await withinBudget(parts, keeper);
  const structured = await replaceStructured(result.structuredContent, parts, keeper);
  const changed =
    structured !== result.structuredContent ||
    content.length !== blocks.length ||
    content.some((block, index) => block !== blocks[index]);
  if (!changed) return payload;
  return Payload.fromValue<CallToolResult>({
    ...result,
    ...(Array.isArray(result.content) ? { content } : {}),
    ...(structured === undefined ? {} : { structuredContent: structured }),
  });
}

/** The result with its long texts and media unread, and everything else as it is. */
function withLongStrings(lifted: Lifted): CallToolResult {
  const { content, ...rest } = lifted.value as CallToolResult;
  const open = (value: object, ...names: string[]) => {
    const unread = names.flatMap((name) => {
      const text = lifted.at((value as Record<string, unknown>)[name]);
      return text ? [[name, text]] : [];
    });
    const others = Object.entries(value).filter(([name]) => !unread.some(([one]) => one === name));
    return { ...lifted.restore(Object.fromEntries(others)), ...Object.fromEntries(unread) };
  };
  const openBlock = (block: ContentBlock): ContentBlock => {
    if (typeof block !== 'object' || block === null) return lifted.restore(block);
    if (block.type === 'text') return open(block, 'text') as ContentBlock;
    if (block.type === 'image' || block.type === 'audio') return open(block, 'data') as ContentBlock;
    const { resource, ...around } = block;
    if (block.type !== 'resource' || typeof resource !== 'object' || resource === null)
      return lifted.restore(block);
    return { ...lifted.restore(around), resource: open(resource, 'text', 'blob') } as ContentBlock;
  };
  const others = lifted.restore(rest);
  return content === undefined
    ? others
    : { ...others, content: Array.isArray(content) ? content.map(openBlock) : lifted.restore(content) };
}

/** All blocks together within the limit: shorter heads first, then the last blocks become one reference. */
async function withinBudget(parts: readonly Part[], keeper: Keeper): Promise<ContentBlock[]> {
  const { maxTokens } = keeper;
  let rendered: ContentBlock[] = [];
  for (const share of HEAD_SHARES) {
    rendered = await renderAll(parts, Math.floor(maxTokens * share));
    if ((await fitting(rendered, maxTokens)) === rendered.length) return rendered;
    // Nothing to shorten.
    if (parts.every((part) => 'block' in part)) break;
  }
  const shown = await fitting(rendered, Math.max(0, Math.floor((maxTokens * 3) / 4) - DESCRIPTION));
  const rest = rendered.slice(shown);
  // One block on each line: `lines` and `json_path` both find a single one.
  const lines: string[] = [];
  const breather = new Breather();
  for (const block of rest) {
    lines.push(JSON.stringify(block));
    if (breather.isDue) await breather.pause();
  }
  const text = `[\n${lines.join(',\n')}\n]`;
  const json = 'application/json';
  const long = await keepLong(text, json, maxTokens, (content) => keep(content, keeper));
  const described = long ? await describeText(long, Math.floor(maxTokens / 8)) : text;
  const note = `${rest.length} further content blocks, as a JSON array with one block on each line:\n${described}`;
  return [...rendered.slice(0, shown), { type: 'text', text: note }];
}

/** How many of the first blocks have at most `limit` tokens together. */
async function fitting(blocks: readonly ContentBlock[], limit: number): Promise<number> {
  const texts = blocks.map((block) =>
    block?.type === 'text' && typeof block['text'] === 'string' ? block['text'] : JSON.stringify(block),
  );
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes <= limit) return blocks.length;
  let left = limit;
  for (const [index, text] of texts.entries()) {
    const tokens = await tokensWithin(text, left);
    if (tokens === undefined) return index;
    left -= tokens;
  }
  return blocks.length;
}

async function renderAll(parts: readonly Part[], headTokens: number): Promise<ContentBlock[]> {
  // Most need nothing, and a promise for each of a hundred thousand is dear.
  if (parts.every((part) => 'block' in part)) return parts.map((part) => part.block);
  return Promise.all(parts.map((part) => render(part, headTokens)));
}

async function render(part: Part, headTokens: number): Promise<ContentBlock> {
  if ('block' in part) return part.block;
  return { ...part.around, text: `${part.around['text']}${await describeText(part.long, headTokens)}` };
}

/**
 * A structuredContent above the limit becomes its outline and a reference. When a text block says the same, both
 * share one reference.
 */
async function replaceStructured(
  structured: unknown,
  parts: readonly Part[],
  keeper: Keeper,
): Promise<unknown> {
  if (structured === undefined || structured === null) return structured;
  const json = JSON.stringify(structured);
  if (await fitsTokens(json, keeper.maxTokens)) return structured;
  const twin = parts.find((part) => 'long' in part && saysTheSame(part.long.kept, structured, json));
  const kept = twin && 'long' in twin ? twin.long.kept : await keepJson(json, keeper);
  return standInFor(structured, json, kept);
}

/** The ways in which servers print their structuredContent; any other text is kept by itself. */
function saysTheSame(kept: Kept, structured: unknown, json: string): boolean {
  if ('lost' in kept) return false;
  const { bytes, sha256: hash } = kept.ref;
  for (const print of [
    () => json,
    () => JSON.stringify(structured, null, 2),
    () => JSON.stringify(structured, null, 4),
  ]) {
    const text = print();
    if (Buffer.byteLength(text) === bytes && sha256(text) === hash) return true;
  }
  return false;
}

async function replaceWhole(
  payload: Payload<CallToolResult>,
  result: CallToolResult,
  keeper: Keeper,
): Promise<Payload<CallToolResult>> {
  const text = Buffer.from(payload.bytes).toString('utf8');
  const json = 'application/json';
  const long = await keepLong(text, json, keeper.maxTokens, (content) => keep(content, keeper));
  if (!long) return payload;
  const described = await describeText(long, Math.floor(keeper.maxTokens / 4));
  return Payload.fromValue<CallToolResult>({
    ...(result.isError === undefined ? {} : { isError: result.isError }),
    content: [
      {
        type: 'text',
        text: `The result is nested too deeply to be taken apart; it is kept as a whole.\n${described}`,
      },
    ],
  });
}
