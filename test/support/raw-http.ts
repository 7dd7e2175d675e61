import { connect } from 'node:net';
import { createHttpFace, type HttpFaceOptions } from '../../src/http/face.js';
import { silentLogger } from '../../src/lib/log.js';
import { memoryRuntime } from './memory-runtime.js';

export interface RawResponse {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends bytes as they are, Host and all, and reads until the server closes or the head and its body are there. */
export function rawHttp(port: number, request: string | Buffer, withinMs = 5_000): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      const end = text.indexOf('\r\n\r\n');
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
      resolve({ status, head: text.slice(0, Math.max(end, 0)), body: end < 0 ? '' : text.slice(end + 4) });
    };
    const timer = setTimeout(finish, withinMs);
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = /content-length: (\d+)/i.exec(text.slice(0, end))?.[1];
      const whole = length !== undefined && Buffer.byteLength(text.slice(end + 4)) >= Number(length);
      if (whole || text.endsWith('\r\n0\r\n\r\n')) finish();
    });
    socket.on('close', finish);
    socket.on('error', (error) => {
      if (text !== '') finish();
      else {
        clearTimeout(timer);
        reject(error);
      }
    });
    socket.write(request);
  });
}

/** A request with exactly these header lines. */
export function lines(first: string, headers: readonly string[], body = ''): string {
  return `${[`${first} HTTP/1.1`, ...headers].join('\r\n')}\r\n\r\n${body}`;
}

/** An HTTP face over the memory runtime, on a free port. */
export async function startHttpFace(options: Partial<HttpFaceOptions> & { host?: string } = {}) {
  const runtime = memoryRuntime();
  const { host = '127.0.0.1', ...rest } = options;
  const face = createHttpFace(runtime.port, {
    expose: 'tools',
    version: '0.0.0-test',
    logger: silentLogger,
    ...rest,
  });
  const listener = await face.listen({ host, port: 0 });
  const url = `http://127.0.0.1:${listener.port}`;
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const post = (body: unknown, more: Record<string, string> = {}) =>
    fetch(`${url}/mcp`, {
      method: 'POST',
      headers: { ...headers, ...more },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return {
    runtime,
    face,
    listener,
    url,
    post,
    /** Tells the server that a session may be used: from now on its plain calls go the short way. */
    initialized: async (session: Record<string, string>) => {
      const response = await post({ jsonrpc: '2.0', method: 'notifications/initialized' }, session);
      if (response.status !== 202) throw new Error(`status ${response.status}`);
    },
    /** Opens a session and gives the headers that name it. */
    initialize: async (protocolVersion = '2025-11-25', more: Record<string, string> = {}) => {
      const response = await post(initializeRequest(protocolVersion), more);
      const id = response.headers.get('mcp-session-id') ?? '';
      await response.text();
      return { ...more, 'mcp-session-id': id, 'mcp-protocol-version': protocolVersion };
    },
  };
}

export const initializeRequest = (protocolVersion = '2025-11-25') => ({
  jsonrpc: '2.0',
  id: 'init',
  method: 'initialize',
  params: { protocolVersion, capabilities: { elicitation: {} }, clientInfo: { name: 'raw', version: '1' } },
});

export const callRequest = (id: unknown, tool: string, args: Record<string, unknown> = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'execute_tool', arguments: { server_name: 'fixture', tool_name: tool, arguments: args } },
});

/** The messages of a response, whether it is JSON or a stream of events that has ended. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came
export async function messagesOf(response: Response): Promise<any[]> {
  const text = await response.text();
  if (!(response.headers.get('content-type') ?? '').includes('text/event-stream')) return [JSON.parse(text)];
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: ') && line !== 'data: ')
    .map((line) => JSON.parse(line.slice(6)));
}
