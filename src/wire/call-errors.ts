import { RuntimeError } from '../core/errors.js';
import type { OperationName } from '../operations/table.js';
import type { ChannelEnd } from './channel.js';

/** How calls over the wire end without an answer. */

export function withdrawn(reason: unknown): RuntimeError {
  return reason instanceof RuntimeError
    ? reason
    : new RuntimeError('CANCELLED', 'The caller withdrew the request.', { cause: reason });
}

export function late(op: OperationName, waitMs: number, sent: boolean): RuntimeError {
  return new RuntimeError(
    'TIMEOUT',
    sent
      ? `The engine did not answer ${op} within ${waitMs} ms; it may have been executed.`
      : `The engine took no request within ${waitMs} ms; ${op} was not executed.`,
    { data: { executed: sent ? 'unknown' : false } },
  );
}

export function lost(end: ChannelEnd, mayHaveRun: boolean): RuntimeError {
  if (mayHaveRun)
    return new RuntimeError(
      'OUTCOME_UNKNOWN',
      `The engine was lost while the call was running: ${end.message}`,
      {
        hint: 'Look whether it took effect before you try it again.',
        data: { reason: end.reason },
      },
    );
  const code = end.reason === 'draining' ? 'ENGINE_DRAINING' : 'ENGINE_UNAVAILABLE';
  return new RuntimeError(code, `The engine is gone, and the call was not executed: ${end.message}`, {
    data: { reason: end.reason, executed: false },
  });
}
