import { Breather } from '../lib/breather.js';
import { BytePairCounter } from './byte-pairs.js';

/** Counts the tokens of a text; of a tool's text no part is a control token. */
export interface Tokenizer {
  count(text: string): number;
}

interface TokenCount {
  readonly tokens: number;
  /** False: more than the limit, and `tokens` is an estimate. */
  readonly exact: boolean;
}

let loading: Promise<Tokenizer> | undefined;

/**
 * cl100k, loaded on first need. Other families have other vocabularies, so every count is a stand-in; cl100k gives
 * slightly more tokens than the newer ones, which errs on the safe side.
 */
export function loadTokenizer(): Promise<Tokenizer> {
  // One that failed, for want of a descriptor, is tried again with the next result.
  loading ??= BytePairCounter.load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

/** Pieces are looked for from here; what has no boundary within twice this is cut by force. */
const PIECE_CHARS = 512;

/**
 * How many tokens a text has: exact up to `limit`, an estimate beyond it, so that a text of 50 MB costs no more
 * than one that is just too long. A token is at least one byte: fewer bytes than the limit need no count at all,
 * and then the number of bytes is given as the (too high) estimate.
 *
 * The tokenizer is quadratic in the length of one unbroken run (measured: 200,000 times "A" take 52 s), therefore the
 * text is counted in pieces. Pieces end where the tokenizer itself always splits, so the sum is exact; only a run of
 * over 1,024 characters without such a place is cut by force and may count a token or two more.
 */
export async function countTokens(text: string, limit: number): Promise<TokenCount> {
  const bytes = Buffer.byteLength(text);
  if (bytes <= limit) return { tokens: bytes, exact: false };
  const { end, tokens } = await takeManyTokens(text, 0, limit);
  if (end === text.length) return { tokens, exact: true };
  return { tokens: Math.max(limit + 1, Math.round((tokens / end) * text.length)), exact: false };
}

/** True when the text has at most `limit` tokens. */
export async function fitsTokens(text: string, limit: number): Promise<boolean> {
  // A UTF-16 unit is at most three bytes, and a token of cl100k at most 128: both ends are known without a count.
  if (text.length * 3 <= limit) return true;
  const bytes = Buffer.byteLength(text);
  if (bytes <= limit) return true;
  if (bytes > limit * 128) return false;
  return (await takeManyTokens(text, 0, limit)).end === text.length;
}

/** The exact number of tokens when it is at most `limit`, else undefined. Always counts. */
export async function tokensWithin(text: string, limit: number): Promise<number | undefined> {
  const { end, tokens } = await takeManyTokens(text, 0, limit);
  return end === text.length ? tokens : undefined;
}

interface Taken {
  readonly end: number;
  readonly tokens: number;
}

/**
 * How far one gets in `text` from `start` with `limit` tokens. `end` is a place between two pieces, so it is never
 * inside a code point, and `tokens` is what stands between.
 */
export function takeTokens(tokenizer: Tokenizer, text: string, start: number, limit: number): Taken {
  let taken = { end: start, tokens: 0 };
  for (const next of taking(tokenizer, text, start, limit)) taken = next;
  return taken;
}

/** The same, and others get a turn meanwhile: 25,000 tokens take some 5 ms. */
export async function takeManyTokens(text: string, start: number, limit: number): Promise<Taken> {
  const tokenizer = await loadTokenizer();
  const breather = new Breather();
  let taken = { end: start, tokens: 0 };
  for (const next of taking(tokenizer, text, start, limit)) {
    taken = next;
    if (breather.isDue) await breather.pause();
  }
  return taken;
}

/** Piece by piece, as long as the limit allows. */
function* taking(tokenizer: Tokenizer, text: string, start: number, limit: number): Generator<Taken> {
  let tokens = 0;
  for (let end = start; end < text.length; ) {
    const next = pieceEnd(text, end);
    tokens += tokenizer.count(text.slice(end, next));
    if (tokens > limit) return;
    end = next;
    yield { end, tokens };
  }
}

function pieceEnd(text: string, start: number): number {
  const last = Math.min(text.length, start + PIECE_CHARS * 2);
  if (last === text.length && last - start <= PIECE_CHARS) return last;
  for (let at = start + PIECE_CHARS; at > start; at -= 1) if (isBoundary(text, at)) return at;
  for (let at = start + PIECE_CHARS + 1; at < last; at += 1) if (isBoundary(text, at)) return at;
  return last === text.length ? last : wholeCodePoint(text, start + PIECE_CHARS);
}

/** Where cl100k's pattern always ends a word: after a newline before a non-blank, or before the one space (or pause) between words. */
function isBoundary(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  if (before === 0x0a) return after > 0x20 && after < 0x7f;
  if (after === 0x20) return isWord(before) && isLetter(text.charCodeAt(at + 1));
  // Chinese and Japanese have no spaces; their commas and full stops belong to the word that follows.
  const pause = after === 0x3001 || after === 0x3002 || after === 0xff0c;
  return pause && isIdeograph(before) && isIdeograph(text.charCodeAt(at + 1));
}

const isLetter = (unit: number) => (unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a;
const isWord = (unit: number) => isLetter(unit) || (unit >= 0x30 && unit <= 0x39);

const isIdeograph = (unit: number) =>
  (unit >= 0x3041 && unit <= 0x3096) || (unit >= 0x4e00 && unit <= 0x9fff);

/** The same place, or the one before it when it would part a surrogate pair. */
export function wholeCodePoint(text: string, at: number): number {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  const parts = before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
  return parts ? at - 1 : at;
}
