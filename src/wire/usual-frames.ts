import { Payload } from '../core/payload.js';

/**
 * The two frames of nearly every call as they are usually spelled, read without building what is known of them: JSON of
 * frames was a quarter of what the wire costs a small call. Whatever is spelled otherwise is read as JSON and means the same;
 * a test holds both to that.
 */
const REQUEST = '{"type":"request","id":';
const OP = ',"op":"';
const CALLER = '","caller":"';
const DEADLINE = '","deadline":';
const CLIENT = ',"client":true';
const INPUT = ',"input":';

const RESULT = '{"type":"result","id":';
const COMPLETED = ',"output":{"status":"completed"},"payloads":[{"key":"result","bytes":';
const END = '}]';

const MOST_DIGITS = 15;
const ZERO = 0x30;

/** What a text consists of, from its beginning on. */
class Reading {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  skip(expected: string): boolean {
    if (!this.text.startsWith(expected, this.at)) return false;
    this.at += expected.length;
    return true;
  }

  /** A whole number as JSON spells it; NaN for anything else. */
  number(): number {
    const from = this.at;
    let value = 0;
    for (; this.at - from <= MOST_DIGITS; this.at += 1) {
      const digit = this.text.charCodeAt(this.at) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    const digits = this.at - from;
    const isSpelled = digits > 0 && digits <= MOST_DIGITS;
    return isSpelled && (digits === 1 || this.text.charCodeAt(from) !== ZERO) ? value : Number.NaN;
  }

  /** What stands before the next quote; undefined where that is not plain. */
  word(): string | undefined {
    const end = this.text.indexOf('"', this.at);
    const word = this.text.slice(this.at, end);
    if (end < 0 || !PLAIN.test(word)) return undefined;
    this.at = end;
    return word;
  }
}

const PLAIN = /^[\w-]{1,64}$/;

export interface UsualRequest {
  readonly type: 'request';
  readonly id: number;
  readonly op: string;
  readonly caller: string;
  readonly deadline: number;
  readonly client: true | undefined;
  readonly input: unknown;
}

export function readUsualRequest(text: string): UsualRequest | undefined {
  const reading = new Reading(text);
  if (!reading.skip(REQUEST)) return undefined;
  const id = reading.number();
  const op = reading.skip(OP) ? reading.word() : undefined;
  const caller = op !== undefined && reading.skip(CALLER) ? reading.word() : undefined;
  if (op === undefined || caller === undefined || !(id > 0) || !reading.skip(DEADLINE)) return undefined;
  const deadline = reading.number();
  const client = reading.skip(CLIENT) || undefined;
  if (Number.isNaN(deadline) || !reading.skip(INPUT) || !text.endsWith('}')) return undefined;
  try {
    // One value up to the end: were there more members, this would be no JSON.
    const input: unknown = JSON.parse(text.slice(reading.at, -1));
    return { type: 'request', id, op, caller, deadline, client, input };
  } catch {
    return undefined;
  }
}

export interface UsualResult {
  readonly type: 'result';
  readonly id: number;
  readonly output: { readonly status: 'completed' };
  readonly payloads: { readonly key: 'result'; readonly bytes: number }[];
}

export function readUsualResult(text: string): UsualResult | undefined {
  const reading = new Reading(text);
  if (!reading.skip(RESULT)) return undefined;
  const id = reading.number();
  if (!(id > 0) || !reading.skip(COMPLETED)) return undefined;
  const bytes = reading.number();
  if (Number.isNaN(bytes) || !reading.skip(END) || text.length !== reading.at + 1 || !text.endsWith('}'))
    return undefined;
  return { type: 'result', id, output: { status: 'completed' }, payloads: [{ key: 'result', bytes }] };
}

/** The head without its end: `,"size":n` may follow, then `}`. */
export const printUsualResult = (id: number, bytes: number): string =>
  `${RESULT}${id}${COMPLETED}${bytes}${END}`;

/** The payload of an answer that is nothing but a completed call. */
export function usualPayload(output: object): Payload | undefined {
  const { status, result } = output as { status?: unknown; result?: unknown };
  if (status !== 'completed' || !(result instanceof Payload)) return undefined;
  for (const key in output) if (key !== 'status' && key !== 'result') return undefined;
  return result;
}
