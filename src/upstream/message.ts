import { Payload } from '../core/payload.js';
import type { LongLine } from '../lib/line-splitter.js';
import { areUtf8, type Bytes, cutOut, lengthOf, oneOf } from '../lib/pieces.js';
import { type Scan, type Span, scanMessage } from './json-scan.js';

/** Deeper JSON is refused: on Node 20 structuredClone dies at 4,000 levels and JSON.stringify at 5,000. */
export const MAX_DEPTH = 1_000;
/** A batch above this is not looked into for the ids it answers. */
const MAX_BATCH_BYTES = 1 << 20;

/** A JSON-RPC error as the peer sent it. */
export interface PeerError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** One message from the other side. `id` is whatever JSON value stood there: it matches only by type and value. */
export type Incoming =
  | { readonly kind: 'result'; readonly id: unknown; readonly result: Payload; readonly depth: number }
  | { readonly kind: 'error'; readonly id: unknown; readonly error: PeerError }
  | {
      readonly kind: 'request';
      readonly id: string | number;
      readonly method: string;
      readonly params: unknown;
      readonly tooDeep: boolean;
    }
  | { readonly kind: 'notification'; readonly method: string; readonly params: unknown }
  /** Answers that break the protocol, with the ids that could still be read. */
  | { readonly kind: 'malformed'; readonly ids: readonly unknown[]; readonly why: string }
  /** No JSON-RPC at all. */
  | { readonly kind: 'noise' };

const noise: Incoming = { kind: 'noise' };

/**
 * Tells what a line or a body is. Never throws, whatever the bytes.
 * @param scanOf for who has read some of it before.
 */
export function readMessage(line: Bytes, scanOf: (bytes: Bytes) => Scan = scanMessage): Incoming {
  const bytes = withoutMark(line);
  const scan = scanOf(bytes);
  if (!scan.valid) return readBroken(bytes, scan);
  if (scan.kind === 'array') return readBatch(bytes, scan);
  if (scan.kind === 'other') return noise;
  const { members } = scan;
  const isRpc = members.jsonrpc !== undefined && isVersion(bytes, members.jsonrpc);
  const id = members.id && scalarAt(bytes, members.id);
  if (!members.method) return readAnswer(bytes, scan, isRpc, id);
  const method = scalarAt(bytes, members.method);
  if (!isRpc || typeof method !== 'string' || !areUtf8(bytes)) return noise;
  const tooDeep = scan.depth > MAX_DEPTH;
  const params = tooDeep ? undefined : valueAt(bytes, members.params);
  if (!members.id) return tooDeep ? noise : { kind: 'notification', method, params };
  if (typeof id !== 'string' && typeof id !== 'number') return noise;
  return { kind: 'request', id, method, params, tooDeep };
}

function readAnswer(bytes: Bytes, scan: Scan, isRpc: boolean, id: unknown): Incoming {
  const { result, error } = scan.members;
  // A structured log line on stdout may well have an id; only what looks like an answer is one.
  if (id === undefined || (!isRpc && !result && !error)) return noise;
  const malformed = (why: string): Incoming => ({ kind: 'malformed', ids: [id], why });
  if (!isRpc) return malformed('it does not say "jsonrpc":"2.0"');
  if (!areUtf8(bytes)) return malformed('it is not valid UTF-8');
  if (result && error) return malformed('it has both a result and an error');
  if (result) {
    if (firstOf(bytes, result) !== 0x7b) return malformed('its result is not an object');
    return { kind: 'result', id, result: own(bytes, result), depth: scan.depth };
  }
  if (!error) return malformed('it has neither a result nor an error');
  if (scan.depth > MAX_DEPTH) return malformed(`it is nested deeper than ${MAX_DEPTH} levels`);
  const value = valueAt(bytes, error);
  if (typeof value !== 'object' || value === null) return malformed('its error is not an object');
  const { code, message, ...rest } = value as { code?: unknown; message?: unknown; data?: unknown };
  if (typeof code !== 'number' || typeof message !== 'string')
    return malformed('its error has no code or no message');
  return { kind: 'error', id, error: { code, message, ...('data' in rest ? { data: rest.data } : {}) } };
}

function readBroken(bytes: Bytes, scan: Scan): Incoming {
  const { jsonrpc, id, method } = scan.members;
  if (!id || method || valueAt(bytes, jsonrpc) !== '2.0') return noise;
  return { kind: 'malformed', ids: [scalarAt(bytes, id)], why: 'it is not valid JSON' };
}

/** Batches left the protocol with 2025-06-18, and we never negotiate the one revision that had them for a batch. */
function readBatch(bytes: Bytes, scan: Scan): Incoming {
  if (scan.depth > MAX_DEPTH || lengthOf(bytes) > MAX_BATCH_BYTES) return noise;
  const elements = JSON.parse(oneOf(bytes).toString('utf8')) as unknown[];
  const ids = elements
    .filter(
      (element) => typeof element === 'object' && element !== null && 'jsonrpc' in element && 'id' in element,
    )
    .map((element) => (element as { id: unknown }).id);
  return ids.length === 0 ? noise : { kind: 'malformed', ids, why: 'it came in a batch' };
}

/** The id of the request that an oversized line answers, when its head or its end tells. */
export function idOfLongLine({ head, tail }: LongLine): unknown {
  const { members } = scanMessage(head);
  if (members.method) return undefined;
  if (members.id) return scalarAt(head, members.id);
  // SDK servers write the id last; only the outermost object can end with the line.
  const last = /[,{]\s*"id"\s*:\s*(-?\d+)\s*\}\s*$/.exec(tail.toString('latin1'));
  return last ? Number(last[1]) : undefined;
}

/** A byte order mark is not JSON; some servers begin with one. */
function withoutMark(line: Bytes): Bytes {
  const head = Buffer.isBuffer(line) ? line : oneOf(line, 0, 3);
  if (head[0] !== 0xef || head[1] !== 0xbb || head[2] !== 0xbf) return line;
  return Buffer.isBuffer(line) ? line.subarray(3) : cutOut(line, 3, lengthOf(line));
}

function valueAt(bytes: Bytes, span: Span | undefined): unknown {
  if (!span) return undefined;
  if (Buffer.isBuffer(bytes)) return JSON.parse(bytes.toString('utf8', span.start, span.end));
  return JSON.parse(oneOf(bytes, span.start, span.end).toString('utf8'));
}

function firstOf(bytes: Bytes, { start }: Span): number | undefined {
  return Buffer.isBuffer(bytes) ? bytes[start] : oneOf(bytes, start, start + 1)[0];
}

/** Whether it says "2.0", which an escape may spell as well. */
function isVersion(bytes: Bytes, span: Span): boolean {
  const { start, end } = span;
  const isPlain =
    Buffer.isBuffer(bytes) &&
    end - start === 5 &&
    bytes[start + 1] === 0x32 &&
    bytes[start + 2] === 0x2e &&
    bytes[start + 3] === 0x30 &&
    bytes[start] === 0x22;
  return isPlain || valueAt(bytes, span) === '2.0';
}

/** The number that stands there in plain digits, as our own ids do; else nothing. */
function plainNumber(bytes: Bytes, { start, end }: Span): number | undefined {
  if (!Buffer.isBuffer(bytes) || end - start > 15 || bytes[start] === 0x30) return undefined;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/** Ids and method names are short; whatever is longer is neither. */
function scalarAt(bytes: Bytes, span: Span): unknown {
  const number = plainNumber(bytes, span);
  if (number !== undefined) return number;
  const first = firstOf(bytes, span);
  if (span.end - span.start > 1_024 || first === 0x7b || first === 0x5b) return null;
  return valueAt(bytes, span);
}

/** A view where the line is mostly the value, else a copy: a view keeps the whole chunk alive. */
function own(bytes: Bytes, { start, end }: Span): Payload {
  if (!Buffer.isBuffer(bytes)) {
    const views = cutOut(bytes, start, end);
    const isMost = (end - start) * 2 >= lengthOf(bytes);
    return isMost ? Payload.fromPieces(views) : Payload.fromBytes(Buffer.concat(views));
  }
  const view = bytes.subarray(start, end);
  return Payload.fromBytes(view.byteLength * 2 >= bytes.buffer.byteLength ? view : Buffer.from(view));
}
