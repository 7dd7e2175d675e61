import { RuntimeError } from '../core/errors.js';
import { type ByteSource, blocks } from './bytes.js';

/** Lines count from 1; `to` is included, undefined means to the end. */
interface LineRange {
  readonly from: number;
  readonly to: number | undefined;
}

/** `"120-180"`, `"120"` or `"120-"`. @throws RuntimeError INVALID_ARGUMENTS. */
export function parseLines(spec: string): LineRange {
  const match = /^\s*(\d{1,15})\s*(?:(-)\s*(\d{1,15})?)?\s*$/.exec(spec);
  const from = Number(match?.[1] ?? 0);
  const to = match?.[3] !== undefined ? Number(match[3]) : match?.[2] ? undefined : from;
  if (from < 1 || (to !== undefined && to < from)) {
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `lines must be like "120-180", "120" or "120-", not ${quote(spec)}.`,
      {
        hint: 'Lines count from 1, and the first is not after the last.',
      },
    );
  }
  return { from, to };
}

/** Where the lines stand in bytes. @throws RuntimeError INVALID_ARGUMENTS when the text ends before the first of them. */
export async function locateLines(
  source: ByteSource,
  range: LineRange,
): Promise<{ start: number; end: number }> {
  let line = 1;
  let offset = 0;
  let start = range.from === 1 ? 0 : -1;
  for await (const block of blocks(source)) {
    for (let at = block.indexOf(10); at >= 0; at = block.indexOf(10, at + 1)) {
      if (line === range.to) return { start, end: offset + at + 1 };
      line += 1;
      if (line === range.from) start = offset + at + 1;
    }
    offset += block.length;
  }
  // What follows the last newline is a line only if there is something.
  const endsOpen = start < source.size;
  if (start < 0 || (!endsOpen && source.size > 0)) {
    const total = start < 0 ? await lastLine(source, line) : line - 1;
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `There is no line ${range.from}: the text has ${total} lines.`,
      {
        hint: `Ask for lines from 1 to ${total}.`,
        data: { lines: total },
      },
    );
  }
  return { start, end: source.size };
}

/** How many lines a text has: the newlines, and the rest after the last one. */
async function lastLine(source: ByteSource, linesSeen: number): Promise<number> {
  if (source.size === 0) return 0;
  const last = await source.read(source.size - 1, source.size);
  return last[0] === 10 ? linesSeen - 1 : linesSeen;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
