import type { Kept, LongText } from './long-text.js';
import { humanBytes, measure } from './media.js';
import { takeManyTokens, wholeCodePoint } from './tokens.js';

/** The head of a long text, what it is, and how to get the rest. `headTokens` 0 leaves the head out. */
export async function describeText(long: LongText, headTokens: number): Promise<string> {
  const { head: text, chars, lines, outline, tokens, kept } = long;
  // The average is fair to most texts; counting guards against a head that is denser than the rest.
  const average = Math.floor((chars / Math.max(1, tokens)) * headTokens);
  const { end } = await takeManyTokens(text, 0, headTokens);
  const head = headOf(text, Math.min(average, Math.max(end, headTokens)));
  const facts = [
    `${chars} characters`,
    `${lines} lines`,
    `about ${tokens} tokens`,
    outline.kind,
    ...(outline.detail === undefined ? [] : [outline.detail]),
  ].join(', ');
  const start =
    head === '' ? '' : `${head}\n\n[The first ${head.length} of ${chars} characters are above.]\n`;
  return `${start}${facts}.\n${howToGo(kept, outline.kind.startsWith('JSON'))}`;
}

/** One line for an image, a sound or another file. */
export function describeMedia(
  type: string,
  mimeType: string,
  bytes: Buffer,
  kept: Kept,
  words?: string,
): string {
  const size = measure(mimeType, bytes);
  const measured = [mimeType, humanBytes(bytes.length), ...(size === undefined ? [] : [size])].join(', ');
  const facts = words === undefined ? measured : `${measured}; ${words}`;
  if ('lost' in kept) return `[${type}: ${facts}; not kept: ${kept.lost}]`;
  return `[${type}: ${facts}] [Reference: ${kept.ref.id}] get_content(ref_id="${kept.ref.id}") shows it.`;
}

function howToGo(kept: Kept, isJson: boolean): string {
  if ('lost' in kept) return `The rest is lost: ${kept.lost}`;
  const { ref, chunks } = kept;
  const looks = `lines="1-100"|search="regex"${isJson ? '|json_path="$..."' : ''}`;
  return (
    `[Reference: ${ref.id}] in ${chunks} chunks, kept for up to ${Math.round(kept.ttlMs / 360_000) / 10} h.\n` +
    `Next: get_content(ref_id="${ref.id}", chunk_index=0..${chunks - 1}|${looks}).`
  );
}

function headOf(text: string, chars: number): string {
  if (chars <= 0) return '';
  const cut = wholeCodePoint(text, Math.min(text.length, chars));
  const newline = text.lastIndexOf('\n', cut);
  return text.slice(0, newline > cut * 0.8 ? newline : cut);
}
