import type { RemoteDefinition } from '../../core/server.js';
import { authFailed, type Fetch } from './safe-fetch.js';

const TIMEOUT_MS = 10_000;
const CLIENT = { name: 'mcp-runtime', version: '0' };
const META = 'io.modelcontextprotocol/';

/**
 * The challenge of its 401; undefined when it lets anyone in. Some greet everybody and ask who it is only afterwards, so
 * its tools are asked for too.
 * @throws RuntimeError SERVER_NEEDS_AUTH when it cannot be reached.
 */
export async function challengeOf(definition: RemoteDefinition, send: Fetch): Promise<string | undefined> {
  const greeting = await post(definition, send, 'initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: CLIENT,
  });
  if (greeting.status === 401) return greeting.challenge;
  // What servers of either era look for: those with sessions in headers, the others in the request.
  const headers: Record<string, string> = greeting.session
    ? { 'mcp-session-id': greeting.session, 'mcp-protocol-version': '2025-11-25' }
    : {
        'mcp-protocol-version': greeting.status < 300 ? '2025-11-25' : '2026-07-28',
        'mcp-method': 'tools/list',
      };
  const _meta = {
    [`${META}protocolVersion`]: '2026-07-28',
    [`${META}clientInfo`]: CLIENT,
    [`${META}clientCapabilities`]: {},
  };
  const list = await post(definition, send, 'tools/list', { _meta }, headers);
  return list.status === 401 ? list.challenge : undefined;
}

async function post(
  { name, url, headers }: RemoteDefinition,
  send: Fetch,
  method: string,
  params: object,
  more: Readonly<Record<string, string>> = {},
): Promise<{ status: number; challenge: string; session: string | null }> {
  const response = await send(url, {
    method: 'POST',
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      ...headers,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...more,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  }).catch(() => {
    throw authFailed(name, 'it cannot be reached');
  });
  void response.body?.cancel().catch(() => {});
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate') ?? '',
    session: response.headers.get('mcp-session-id'),
  };
}
