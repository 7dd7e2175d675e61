import { RuntimeError } from '../core/errors.js';
import { Payload } from '../core/payload.js';
import type { Body } from './assembly.js';
import type { ServerFrame } from './frames.js';
import { INLINE_CHARS } from './limits.js';
import { printUsualResult, usualPayload } from './usual-frames.js';

type ResultFrame = Extract<ServerFrame, { type: 'result' }>;

export interface EncodedResult {
  /** The head without its end: `,"size":n` may follow, then `}`. */
  readonly head: string;
  readonly body: readonly Uint8Array[];
  readonly bytes: number;
}

/** The key under which the answer itself stands in the body when it is too long for the head. */
const WHOLE = '';

/** An answer for the wire: payloads leave as the bytes they are, the rest as JSON. */
export function encodeResult(id: number, output: object): EncodedResult {
  const payload = usualPayload(output);
  if (payload !== undefined) {
    const { pieces, byteLength } = payload;
    return { head: printUsualResult(id, byteLength), body: pieces, bytes: byteLength };
  }
  const body: Uint8Array[] = [];
  const payloads: { key: string; bytes: number }[] = [];
  // Not a copy and `delete`, which turns the object into a slow dictionary; not toJSON, which would parse a payload.
  const rest: Record<string, unknown> = {};
  for (const key in output) {
    const value = (output as Record<string, unknown>)[key];
    if (value instanceof Payload) {
      body.push(...value.pieces);
      payloads.push({ key, bytes: value.byteLength });
    } else rest[key] = value;
  }
  const text = JSON.stringify(rest);
  if (text.length > INLINE_CHARS) {
    const bytes = Buffer.from(text);
    body.unshift(bytes);
    payloads.unshift({ key: WHOLE, bytes: bytes.byteLength });
  }
  const inline = text.length > INLINE_CHARS ? '' : `,"output":${text}`;
  const index = payloads.length === 0 ? '' : `,"payloads":${JSON.stringify(payloads)}`;
  let bytes = 0;
  for (const part of body) bytes += part.byteLength;
  return { head: `{"type":"result","id":${id}${inline}${index}`, body, bytes };
}

/** @throws Error when the body is not what the head says. */
export function decodeResult(frame: ResultFrame, body: Body | undefined): Record<string, unknown> {
  let output = frame.output ?? {};
  const [only, ...more] = frame.payloads ?? [];
  const isAll = more.length === 0 && body?.length === 1 && only?.bytes === body[0]?.byteLength;
  // As nearly always: the body need not be cut.
  if (only !== undefined && only.key !== WHOLE && isAll) {
    output[only.key] = Payload.fromPieces(body);
    return output;
  }
  const left = new Cutter(body ?? []);
  for (const { key, bytes } of frame.payloads ?? []) {
    const payload = Payload.fromPieces(left.take(bytes));
    if (key === WHOLE) output = payload.value as Record<string, unknown>;
    else output[key] = payload;
  }
  return output;
}

/** Takes a body apart from its beginning, as views. */
class Cutter {
  readonly #body: Body;
  #piece = 0;
  #at = 0;

  constructor(body: Body) {
    this.#body = body;
  }

  take(bytes: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    for (let missing = bytes; missing > 0; ) {
      const piece = this.#body[this.#piece];
      if (piece === undefined) throw new Error('The body of a result is shorter than announced.');
      const part = piece.subarray(this.#at, this.#at + missing);
      taken.push(part);
      missing -= part.byteLength;
      this.#at += part.byteLength;
      if (this.#at < piece.byteLength) continue;
      this.#piece += 1;
      this.#at = 0;
    }
    return taken;
  }
}

/** The failure of a call for the wire; a long one loses its facts before it loses its meaning. */
export function encodeError(id: number, error: unknown, maxChars: number): string {
  const known =
    error instanceof RuntimeError
      ? error
      : new RuntimeError('INTERNAL', error instanceof Error ? error.message : String(error));
  const json = JSON.stringify({ type: 'error', id, error: known.toJSON() });
  if (json.length <= maxChars) return json;
  const { code, message, retryable } = known;
  return JSON.stringify({ type: 'error', id, error: { code, message: message.slice(0, 2_000), retryable } });
}
