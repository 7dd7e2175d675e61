import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

/** What the server does with everything but `/__hits`. `gone`: nobody listens. */
export type Mode = 'ok' | 'gone' | { readonly status: number; readonly headers?: Record<string, string> };

/** An MCP server over HTTP in the test's own process, whose mood changes when it is told. */
export interface SwitchableServer {
  readonly url: string;
  /** Requests seen so far, by method. */
  hits(method: string): number;
  become(mode: Mode): Promise<void>;
  /** From now on a call takes this long, ms. */
  slow(ms: number): void;
}

/** They end with each test. */
export function switchableServers(): () => Promise<SwitchableServer> {
  const running: Server[] = [];
  afterEach(() => {
    for (const server of running.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  return async () => {
    const hits: string[] = [];
    let mode: Mode = 'ok';
    let delay = 0;
    const answer = async (req: IncomingMessage, res: ServerResponse) => {
      let body = '';
      for await (const chunk of req) body += String(chunk);
      if (req.method !== 'POST') return void res.writeHead(405).end();
      const message = JSON.parse(body) as { id?: number; method: string; params?: { arguments?: object } };
      hits.push(message.method);
      if (typeof mode === 'object')
        return void res.writeHead(mode.status, { 'content-type': 'text/plain', ...mode.headers }).end('no');
      if (message.id === undefined) return void res.writeHead(202).end();
      if (message.method === 'tools/call') await new Promise((resolve) => setTimeout(resolve, delay));
      const results: Record<string, object> = {
        initialize: {
          protocolVersion: '2025-11-25',
          capabilities: { tools: {} },
          serverInfo: { name: 'switchable', version: '1' },
        },
        'tools/list': { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] },
        'tools/call': { content: [{ type: 'text', text: JSON.stringify(message.params?.arguments) }] },
      };
      const result = results[message.method];
      res.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          jsonrpc: '2.0',
          id: message.id,
          ...(result ? { result } : { error: { code: -32601, message: 'Method not found' } }),
        }),
      );
    };
    const listen = async (port: number) => {
      const server = createServer((req, res) => void answer(req, res));
      running.push(server);
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      return server;
    };
    let server = await listen(0);
    const { port } = server.address() as AddressInfo;
    return {
      url: `http://127.0.0.1:${port}/mcp`,
      hits: (method) => hits.filter((one) => one === method).length,
      slow: (ms) => {
        delay = ms;
      },
      become: async (next) => {
        if (next === 'gone') {
          server.closeAllConnections();
          await new Promise((resolve) => server.close(resolve));
        } else if (mode === 'gone') server = await listen(port);
        mode = next;
      },
    };
  };
}
