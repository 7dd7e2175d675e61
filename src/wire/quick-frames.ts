import { isPlainObject } from '../lib/json-object.js';

/**
 * The frames of every call by hand, for their schemas are a third of what a small call costs at the receiving end
 * (measured with the profiler). What does not pass here goes to the schema, which says what is wrong.
 */
export function quickClientFrame(given: Record<string, unknown>): boolean {
  return (
    given['type'] === 'request' &&
    isId(given['id']) &&
    typeof given['op'] === 'string' &&
    typeof given['caller'] === 'string' &&
    typeof given['deadline'] === 'number' &&
    given['size'] === undefined &&
    (given['client'] === undefined || given['client'] === true) &&
    (given['progress'] === undefined || given['progress'] === true) &&
    (given['meta'] === undefined || isPlainObject(given['meta']))
  );
}

export function quickServerFrame(given: Record<string, unknown>): boolean {
  if (given['type'] !== 'result' || !isId(given['id']) || given['size'] !== undefined) return false;
  if (given['output'] !== undefined && !isPlainObject(given['output'])) return false;
  const payloads = given['payloads'];
  if (payloads === undefined) return true;
  if (!Array.isArray(payloads) || payloads.length !== 1) return false;
  const [only] = payloads as { key?: unknown; bytes?: unknown }[];
  return isPlainObject(only) && typeof only?.key === 'string' && (only.bytes === 0 || isId(only.bytes));
}

const isId = (given: unknown) => Number.isSafeInteger(given) && (given as number) > 0;
