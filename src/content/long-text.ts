import type { ContentRef } from '../core/content.js';
import { type JsonString, TextTally } from './json-string.js';
import { type Outline, outlineText } from './outline.js';
import type { NewContent } from './store.js';
import { countTokens, fitsTokens, takeManyTokens } from './tokens.js';

/** Where a text went: kept under a reference, or not kept and why. */
export type Kept =
  | { readonly ref: ContentRef; readonly chunks: number; readonly ttlMs: number }
  | { readonly lost: string };

/** A text that is too long to be given, and what is said of it. */
export interface LongText {
  /** Its beginning, or all of it. */
  readonly head: string;
  /** As `String.length` counts. */
  readonly chars: number;
  readonly lines: number;
  readonly outline: Outline;
  readonly tokens: number;
  readonly kept: Kept;
}

/** A token of cl100k has at most 128 bytes, and an escape of JSON at most six for one. */
const BYTES_PER_TOKEN = 128 * 6;
/** Below this JSON.parse is faster, and holds the event loop for some milliseconds only. */
const LEAST = 1024 * 1024;

/** Strings of more bytes than this have more tokens than the limit whatever they say, and are worth not decoding. */
export const liftedFrom = (maxTokens: number): number => Math.max(LEAST, maxTokens * BYTES_PER_TOKEN);

/** Keeps a text above the limit. @returns undefined for one that fits. */
export async function keepLong(
  source: string | JsonString,
  mimeType: string | undefined,
  maxTokens: number,
  keep: (content: NewContent) => Promise<Kept>,
): Promise<LongText | undefined> {
  const facts = { kind: 'text', mimeType: mimeType ?? 'text/plain' } as const;
  if (typeof source === 'string') {
    if (await fitsTokens(source, maxTokens)) return undefined;
    const { tokens } = await countTokens(source, maxTokens);
    const kept = await keep({ ...facts, data: source });
    const outline = outlineText(source, mimeType, source.length, () => source);
    return { head: source, chars: source.length, lines: countLines(source), outline, tokens, kept };
  }
  const tally = new TextTally();
  const kept = await keep({ ...facts, data: asynchronous(source.blocks(tally)) });
  // What could not be kept may have been counted in part only.
  const whole = 'lost' in kept ? counted(source) : tally;
  const head = source.head(Math.max(64 * 1024, maxTokens * 16));
  const { end, tokens } = await takeManyTokens(head, 0, maxTokens);
  return {
    head,
    chars: whole.chars,
    lines: whole.lines,
    outline: outlineText(head, mimeType, whole.chars, () => source.toString()),
    tokens: Math.round((tokens / Math.max(1, end)) * whole.chars),
    kept,
  };
}

async function* asynchronous(blocks: Iterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  yield* blocks;
}

function counted(source: JsonString): TextTally {
  const tally = new TextTally();
  for (const _block of source.blocks(tally));
  return tally;
}

function countLines(text: string): number {
  let lines = 1;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
  return text.endsWith('\n') ? lines - 1 : lines;
}
