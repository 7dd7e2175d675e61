import { setImmediate } from 'node:timers/promises';
import { RE2JS, RE2JSException } from 're2js';
import { RuntimeError } from '../core/errors.js';
import { type ByteSource, blocks } from './bytes.js';
import { loadTokenizer, takeTokens, wholeCodePoint } from './tokens.js';

export interface SearchLimits {
  /** Tokens that the answer may have. */
  readonly tokens: number;
  /** Bytes looked at for one answer; then it says where to go on. */
  readonly bytes: number;
}

export interface SearchAnswer {
  readonly text: string;
  /** The line from which the same search goes on; undefined when all was searched. */
  readonly resumeAt: number | undefined;
}

const CONTEXT = 2;
const MAX_PATTERN = 1000;
const LONG_LINE = 300;
const EXCERPTS_PER_LINE = 20;

/** @throws RuntimeError INVALID_ARGUMENTS for what RE2 does not know (backreferences, lookaround) or is no regex at all. */
export function compilePattern(pattern: string): RE2JS {
  if (pattern === '' || pattern.length > MAX_PATTERN) {
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `search must have 1 to ${MAX_PATTERN} characters, not ${pattern.length}.`,
    );
  }
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `search is no regular expression that can be used: ${error.message}.`,
      {
        hint: 'RE2 syntax: no backreferences and no lookahead. Escape literal brackets, e.g. \\( ; (?i) ignores case.',
        cause: error,
      },
    );
  }
}

interface Line {
  readonly number: number;
  readonly text: string;
}

/**
 * Matching lines with two lines around each, as grep prints them (`12:` a match, `11-` around it). Linear in the text
 * whatever the pattern. Ends early when the answer is full or enough was looked at.
 *
 * @param firstLine the number of the source's first line.
 */
export async function searchLines(
  source: ByteSource,
  pattern: RE2JS,
  firstLine: number,
  limits: SearchLimits,
): Promise<SearchAnswer> {
  const tokenizer = await loadTokenizer();
  const before: Line[] = [];
  const out: string[] = [];
  let left = limits.tokens;
  let looked = 0;
  let after = 0;
  let matches = 0;
  let lastShown = 0;
  const add = (text: string): boolean => {
    const { end, tokens } = takeTokens(tokenizer, `${text}\n`, 0, left);
    if (end <= text.length) return false;
    left -= tokens;
    out.push(text);
    return true;
  };
  const answer = (resumeAt: number | undefined): SearchAnswer => ({
    text: out.length > 0 ? out.join('\n') : 'No line matches.',
    resumeAt,
  });
  for await (const line of linesOf(source, firstLine)) {
    looked += line.text.length + 1;
    if (!pattern.test(line.text)) {
      if (after > 0) {
        if (!add(`${line.number}- ${shorten(line.text)}`)) return answer(line.number);
        after -= 1;
        lastShown = line.number;
      } else {
        before.push(line);
        if (before.length > CONTEXT) before.shift();
      }
      if (looked > limits.bytes) return answer(line.number + 1);
      continue;
    }
    const block: string[] = [];
    const first = before[0]?.number ?? line.number;
    if (matches > 0 && first > lastShown + 1) block.push('--');
    for (const around of before) block.push(`${around.number}- ${shorten(around.text)}`);
    block.push(...excerpts(pattern, line));
    // A first match that is too large for the answer is still better cut than never shown.
    if (!add(block.join('\n'))) {
      if (matches > 0) return answer(line.number);
      const { end } = takeTokens(tokenizer, block.join('\n'), 0, left);
      out.push(block.join('\n').slice(0, Math.max(end, left)));
      return answer(line.number + 1);
    }
    matches += 1;
    before.length = 0;
    after = CONTEXT;
    lastShown = line.number;
    if (looked > limits.bytes) return answer(line.number + 1);
  }
  return answer(undefined);
}

/** A match in a short line is the line; in a long one (minified JSON) the surroundings of each match. */
function excerpts(pattern: RE2JS, line: Line): string[] {
  if (line.text.length <= LONG_LINE) return [`${line.number}: ${line.text}`];
  const found: string[] = [];
  const matcher = pattern.matcher(line.text);
  let shownTo = -1;
  while (matcher.find()) {
    const [start, end] = [matcher.start(), matcher.end()];
    if (start < shownTo) continue;
    if (found.length === EXCERPTS_PER_LINE) {
      found.push(`${line.number}: … more matches in this line; a narrower search shows them`);
      break;
    }
    const from = wholeCodePoint(line.text, Math.max(0, start - LONG_LINE / 3));
    const to = wholeCodePoint(
      line.text,
      Math.min(line.text.length, Math.min(end, start + LONG_LINE) + LONG_LINE / 3),
    );
    shownTo = to;
    found.push(
      `${line.number}:${start + 1}: ${from > 0 ? '…' : ''}${line.text.slice(from, to)}${to < line.text.length ? '…' : ''}`,
    );
  }
  return found;
}

function shorten(text: string): string {
  return text.length <= LONG_LINE ? text : `${text.slice(0, wholeCodePoint(text, LONG_LINE))}…`;
}

async function* linesOf(source: ByteSource, firstLine: number): AsyncGenerator<Line, void, undefined> {
  let number = firstLine;
  let open: Buffer[] = [];
  const close = (tail: Buffer): Line => {
    const text = Buffer.concat([...open, tail]).toString('utf8');
    open = [];
    const line = { number, text: text.endsWith('\r') ? text.slice(0, -1) : text };
    number += 1;
    return line;
  };
  for await (const block of blocks(source)) {
    let from = 0;
    for (let at = block.indexOf(10); at >= 0; at = block.indexOf(10, from)) {
      yield close(block.subarray(from, at));
      from = at + 1;
    }
    if (from < block.length) open.push(block.subarray(from));
    // A block takes some 50 ms to search: others get their turn.
    await setImmediate();
  }
  if (open.length > 0) yield close(Buffer.alloc(0));
}
