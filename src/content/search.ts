import { setImmediate } from 'node:timers/promises';
import { RE2JS, RE2JSException } from 're2js';
import { RuntimeError } from '../core/errors.js';
import { type ByteSource, blocks } from './bytes.js';
import { loadTokenizer, type Tokenizer, takeTokens, wholeCodePoint } from './tokens.js';

interface SearchLimits {
  /** Tokens that the answer may have. */
  readonly tokens: number;
  /** Bytes looked at for one answer; then it says where to go on. */
  readonly bytes: number;
}

interface SearchAnswer {
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
  const page = new Page(pattern, await loadTokenizer(), limits.tokens);
  let number = firstLine;
  let looked = 0;
  for await (const lines of lineBlocks(source)) {
    for (const raw of lines) {
      const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      const resumeAt = page.take({ number, text });
      if (resumeAt !== undefined) return { text: page.text, resumeAt };
      number += 1;
      looked += raw.length + 1;
      if (looked > limits.bytes) return { text: page.text, resumeAt: number };
    }
  }
  return { text: page.text, resumeAt: undefined };
}

/** What is shown of the lines that were looked at, as long as it fits. */
class Page {
  readonly #pattern: RE2JS;
  readonly #tokenizer: Tokenizer;
  readonly #out: string[] = [];
  #before: Line[] = [];
  #after = 0;
  #left: number;
  #lastShown = 0;

  constructor(pattern: RE2JS, tokenizer: Tokenizer, tokens: number) {
    this.#pattern = pattern;
    this.#tokenizer = tokenizer;
    this.#left = tokens;
  }

  get text(): string {
    return this.#out.length > 0 ? this.#out.join('\n') : 'No line matches.';
  }

  /** @returns the line to go on with when there is no room any more. */
  take(line: Line): number | undefined {
    if (this.#pattern.test(line.text)) return this.#match(line);
    if (this.#after > 0) {
      if (!this.#add(`${line.number}- ${shorten(line.text)}`)) return line.number;
      this.#after -= 1;
      this.#lastShown = line.number;
      return undefined;
    }
    this.#before.push(line);
    if (this.#before.length > CONTEXT) this.#before.shift();
    return undefined;
  }

  #match(line: Line): number | undefined {
    const first = this.#before[0]?.number ?? line.number;
    const apart = this.#lastShown > 0 && first > this.#lastShown + 1 ? ['--'] : [];
    const around = this.#before.map((before) => `${before.number}- ${shorten(before.text)}`);
    const block = [...apart, ...around, ...excerpts(this.#pattern, line)].join('\n');
    if (!this.#add(block)) {
      if (this.#out.length > 0) return line.number;
      // A first match that is too large for the answer is still better cut than never shown.
      const { end } = takeTokens(this.#tokenizer, block, 0, this.#left);
      this.#out.push(block.slice(0, wholeCodePoint(block, Math.max(end, Math.floor(this.#left / 3)))));
      return line.number + 1;
    }
    this.#before = [];
    this.#after = CONTEXT;
    this.#lastShown = line.number;
    return undefined;
  }

  #add(text: string): boolean {
    const { end, tokens } = takeTokens(this.#tokenizer, `${text}\n`, 0, this.#left);
    if (end <= text.length) return false;
    this.#left -= tokens;
    this.#out.push(text);
    return true;
  }
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

/** The lines of each block together: handing over every line by itself costs more than searching it. */
async function* lineBlocks(source: ByteSource): AsyncGenerator<string[], void, undefined> {
  let open: Buffer[] = [];
  for await (const block of blocks(source)) {
    const last = block.lastIndexOf(10);
    if (last < 0) {
      open.push(block);
      continue;
    }
    yield Buffer.concat([...open, block.subarray(0, last)])
      .toString('utf8')
      .split('\n');
    open = last + 1 < block.length ? [block.subarray(last + 1)] : [];
    // A block takes some 50 ms to search: others get their turn.
    await setImmediate();
  }
  if (open.length > 0) yield [Buffer.concat(open).toString('utf8')];
}
