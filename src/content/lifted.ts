import { randomUUID } from 'node:crypto';
import { cutOut } from '../lib/pieces.js';
import { JsonString, longStrings } from './json-string.js';

/**
 * A JSON value of which the long strings were left where they are. In the value each is a short word in its stead,
 * which nobody outside can guess.
 */
export class Lifted {
  readonly value: unknown;
  readonly #strings: ReadonlyMap<string, JsonString>;

  private constructor(value: unknown, strings: ReadonlyMap<string, JsonString>) {
    this.value = value;
    this.#strings = strings;
  }

  /** @returns undefined when no value in it is a string of more than so many bytes. Throws SyntaxError. */
  static from(json: readonly Uint8Array[], longerThan: number): Lifted | undefined {
    const bytes = json.reduce((sum, piece) => sum + piece.byteLength, 0);
    const found = bytes > longerThan ? longStrings(json, longerThan) : undefined;
    if (!found || found.length === 0) return undefined;
    const tag = randomUUID();
    const pieces: Uint8Array[] = [];
    const strings = new Map<string, JsonString>();
    let at = 0;
    for (const [index, { start, end }] of found.entries()) {
      const word = `${tag}-${index}`;
      strings.set(word, new JsonString(cutOut(json, start, end)));
      pieces.push(...cutOut(json, at, start), Buffer.from(word));
      at = end;
    }
    pieces.push(...cutOut(json, at, bytes));
    return new Lifted(JSON.parse(Buffer.concat(pieces).toString('utf8')), strings);
  }

  /** The long string that stands behind a value, if one does. */
  at(value: unknown): JsonString | undefined {
    return typeof value === 'string' ? this.#strings.get(value) : undefined;
  }

  /** The value with its long strings in it. */
  restore<T>(value: T): T {
    if (typeof value === 'string') return (this.at(value)?.toString() ?? value) as T;
    if (Array.isArray(value)) return value.map((item) => this.restore(item as unknown)) as T;
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, this.restore(item as unknown)]),
    ) as T;
  }
}
