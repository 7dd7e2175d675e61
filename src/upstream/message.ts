import { isUtf8 } from 'node:buffer';
import type { LongLine } from '../lib/line-splitter.js';
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
  | { readonly kind: 'result'; readonly id: unknown; readonly result: Buffer; readonly depth: number }
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

/** Tells what a line or a body is. Never throws, whatever the bytes. */
export function readMessage(line: Buffer): Incoming {
  const hasMark = line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf;
  const bytes = hasMark ? line.subarray(3) : line;
  const scan = scanMessage(bytes);
  if (!scan.valid) return readBroken(bytes, scan);
  if (scan.kind === 'array') return readBatch(bytes, scan);
  if (scan.kind === 'other') return noise;
  const { members } = scan;
  const isRpc = valueAt(bytes, members.jsonrpc) === '2.0';
  const id = members.id && scalarAt(bytes, members.id);
  if (!members.method) return readAnswer(bytes, scan, isRpc, id);
  const method = scalarAt(bytes, members.method);
  if (!isRpc || typeof method !== 'string' || !isUtf8(bytes)) return noise;
  const tooDeep = scan.depth > MAX_DEPTH;
  const params = tooDeep ? undefined : valueAt(bytes, members.params);
  if (!members.id) return tooDeep ? noise : { kind: 'notification', method, params };
  if (typeof id !== 'string' && typeof id !== 'number') return noise;
  return { kind: 'request', id, method, params, tooDeep };
}

function readAnswer(bytes: Buffer, scan: Scan, isRpc: boolean, id: unknown): Incoming {
  const { result, error } = scan.members;
  // A structured log line on stdout may well have an id; only what looks like an answer is one.
  if (id === undefined || (!isRpc && !result && !error)) return noise;
  const malformed = (why: string): Incoming => ({ kind: 'malformed', ids: [id], why });
  if (!isRpc) return malformed('it does not say "jsonrpc":"2.0"');
  if (!isUtf8(bytes)) return malformed('it is not valid UTF-8');
  if (result && error) return malformed('it has both a result and an error');
  if (result) {
    if (bytes[result.start] !== 0x7b) return malformed('its result is not an object');
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

function readBroken(bytes: Buffer, scan: Scan): Incoming {
  const { jsonrpc, id, method } = scan.members;
  if (!id || method || valueAt(bytes, jsonrpc) !== '2.0') return noise;
  return { kind: 'malformed', ids: [scalarAt(bytes, id)], why: 'it is not valid JSON' };
}

/** Batches left the protocol with 2025-06-18, and we never negotiate the one revision that had them for a batch. */
function readBatch(bytes: Buffer, scan: Scan): Incoming {
  if (scan.depth > MAX_DEPTH || bytes.byteLength > MAX_BATCH_BYTES) return noise;
  const elements = JSON.parse(bytes.toString('utf8')) as unknown[];
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

function valueAt(bytes: Buffer, span: Span | undefined): unknown {
  return span && JSON.parse(bytes.toString('utf8', span.start, span.end));
}

/** Ids and method names are short; whatever is longer is neither. */
function scalarAt(bytes: Buffer, span: Span): unknown {
  const first = bytes[span.start];
  if (span.end - span.start > 1_024 || first === 0x7b || first === 0x5b) return null;
  return valueAt(bytes, span);
}

/** A view where the line is mostly the value, else a copy: a view keeps the whole chunk alive. */
function own(bytes: Buffer, span: Span): Buffer {
  const view = bytes.subarray(span.start, span.end);
  return view.byteLength * 2 >= bytes.buffer.byteLength ? view : Buffer.from(view);
}
