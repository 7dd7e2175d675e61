import { type ErrorAnswer, errorAnswer } from '../mcp/inbound.js';
import type { Refuse } from './guard.js';

/** Outside the range that JSON-RPC and MCP have given meanings to. */
const REFUSED = -32_000;

/** A refusal that is no answer to one request: a JSON-RPC error with `id: null`, as the transport's text asks. */
export function refusal(
  status: number,
  message: string,
  options: { code?: number; headers?: Record<string, string> } = {},
): Response {
  return rpcResponse(status, errorAnswer(null, options.code ?? REFUSED, message), options.headers);
}

export function rpcResponse(status: number, answer: ErrorAnswer, headers?: Record<string, string>): Response {
  return Response.json(answer, headers === undefined ? { status } : { status, headers });
}

export const notAllowed = (allow: string): Response =>
  refusal(405, 'Method not allowed', { headers: { Allow: allow } });

/** Also for the session of somebody else: whether it exists is not said. */
export const noSession = (): Response => refusal(404, 'Session not found', { code: -32_001 });

export const tooManySessions = (): Response =>
  refusal(503, 'Too many sessions; try again later', { headers: { 'Retry-After': '30' } });

/** How the guards refuse; what they set on the response stays. */
export const refuseAsRpc: Refuse = (c, status, error) =>
  c.json(errorAnswer(null, REFUSED, error.message), status);
