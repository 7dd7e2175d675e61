import { RuntimeError } from '../core/errors.js';

/**
 * Makes a RuntimeError of whatever was thrown. Whether the caller withdrew is asked first: what an aborted wait
 * throws looks different in every library.
 */
export function classify(error: unknown, signal: AbortSignal): RuntimeError {
  if (error instanceof RuntimeError) return error;
  if (signal.aborted) {
    const { reason } = signal;
    if (reason instanceof RuntimeError) return reason;
    return new RuntimeError('CANCELLED', 'The caller withdrew the request.', { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new RuntimeError('INTERNAL', `Something went wrong in mcp-runtime: ${message}`, { cause: error });
}
