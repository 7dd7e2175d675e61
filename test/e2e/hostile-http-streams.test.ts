import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { localServers, MIB, startHostileHttp } from '../support/http-servers.js';
import { eventually } from '../support/processes.js';
import { bench, errorOf, remoteDefinition, textOf, within } from '../support/upstream.js';

const bed = bench();
const started = (name: string, args: readonly string[]) => startHostileHttp(bed(), name, args);
const local = localServers();
const { listen } = local;

describe('REM-03 answers that are slow, stuck or break off', () => {
  it.each(['drip', 'stall', 'noheaders', 'keepalive'])(
    '%s: the deadline holds and the socket is closed',
    async (how) => {
      const server = await started('http-slow-body', [how, '20']);
      const session = await server.open();
      const begun = performance.now();
      const error = await errorOf(session.callTool('echo', {}, within(700)));
      expect(error.code).toBe('TIMEOUT');
      expect(error.message).toContain('may have been executed');
      expect(performance.now() - begun).toBeLessThan(3_000);
      await eventually(() => bed().events('client-gone').length === 1);
      expect(await server.hits('tools/call')).toHaveLength(1);
    },
  );

  it.each(['mid', 'clean'])('%s: without an event id the call fails at once, executed once', async (how) => {
    const server = await started('http-sse-drop', [how, '50']);
    const session = await server.open();
    const error = await errorOf(session.callTool('work', {}, within(20_000)));
    expect(error).toMatchObject({ code: 'SERVER_DIED', retryable: false });
    expect(error.message).toContain('may have been executed');
    expect(bed().events('executed')).toHaveLength(1);
    expect(await textOf(session.callTool('count', {}, within()))).toBe('1');
  });

  it('priming, retry0: five reconnects at most, never closer than 500 ms', async () => {
    // Both at once: each takes its time.
    await Promise.all(
      ['priming', 'retry0'].map(async (how) => {
        const server = await started('http-sse-drop', [how, '50']);
        const session = await server.open();
        const error = await errorOf(session.callTool('work', {}, within(25_000)));
        expect(error.message).toContain('also after 5 reconnects. The call may have been executed');
        // The call's own stream and the one that belongs to no call: in eleven seconds some five each.
        const streams = (await server.hits()).filter((hit) => hit.method === 'GET');
        expect(streams.length).toBeLessThanOrEqual(12);
        expect(await server.hits('tools/call')).toHaveLength(1);
      }),
    );
    expect(bed().events('executed')).toHaveLength(2);
  });

  it('noeol: an event that does not end is no answer', async () => {
    const server = await started('http-sse-drop', ['noeol', '10']);
    expect((await errorOf((await server.open()).callTool('work', {}, within(600)))).code).toBe('TIMEOUT');
  });

  it('endless: one event is never held above the limit', async () => {
    const server = await started('http-sse-drop', ['endless', '10']);
    const session = await server.open({ maxMessageBytes: 4 * MIB });
    const before = process.memoryUsage().rss;
    const error = await errorOf(session.callTool('work', {}, within(25_000)));
    expect(error.code).toBe('RESULT_TOO_LARGE');
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * MIB);
    expect(await textOf(session.callTool('count', {}, within()))).toBe('1');
  });

  it.each([
    ['e1', 'late but here'],
    // As the standard has it: UTF-8.
    ['é✓1', 'late but here'],
    // Nothing that a header can say: an error at once, and no reconnects in vain.
    ['x'.repeat(5 * MIB), 'the stream ended before the answer'],
    ['a\u0001', 'the stream ended before the answer'],
  ])('a stream that is taken up again brings the answer (%.5s)', async (eventId, outcome) => {
    let posted: { id: number } | undefined;
    const base = await listen((req, res) => {
      const events = { 'content-type': 'text/event-stream' };
      if (req.method === 'GET' && idOf(req.headers['last-event-id']) === eventId) {
        const answer = {
          jsonrpc: '2.0',
          id: posted?.id,
          result: { content: [{ type: 'text', text: 'late but here' }] },
        };
        return void res.writeHead(200, events).end(`id: e2\ndata: ${JSON.stringify(answer)}\n\n`);
      }
      if (req.method !== 'POST') return void req.resume().on('end', () => res.writeHead(405).end());
      onCall(req, res, (id) => {
        posted = { id };
        res.writeHead(200, events).end(`id: ${eventId}\ndata:\n\n`);
      });
    });
    const session = await bed().open(remoteDefinition('streamable-http', `${base}/mcp`));
    expect(session.identity.protocolVersion).toBe('2025-06-18');
    const told = await textOf(session.callTool('any', {}, within())).catch((error: Error) => error.message);
    expect(told).toContain(outcome);
  });

  it('the stream that belongs to no call is taken up again where it broke off, for as long as the session is', async () => {
    const from: string[] = [];
    const base = await listen((req, res) => {
      if (req.method === 'GET') {
        from.push(idOf(req.headers['last-event-id']));
        if (from.length === 1) return void res.writeHead(503).end();
        return void res
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .end('retry: 1\nid: ✓\ndata: {"jsonrpc":"2.0","method":"notifications/x"}\n\n');
      }
      onCall(req, res, () => res.writeHead(500).end());
    });
    const session = await bed().open(remoteDefinition('streamable-http', `${base}/mcp`));
    await eventually(() => from.length >= 3, 15_000);
    expect(from.slice(0, 3)).toEqual(['', '', '✓']);
    await session.close();
  });
});

const idOf = (header: string | string[] | undefined): string =>
  Buffer.from(String(header ?? ''), 'latin1').toString('utf8');

/** Serves what begins a session; calls are for `answer`. */
function onCall(req: IncomingMessage, res: ServerResponse, answer: (id: number) => void): void {
  let body = '';
  req.on('data', (chunk) => {
    body += String(chunk);
  });
  req.on('end', () => {
    const { id, method } = (body === '' ? {} : JSON.parse(body)) as { id?: number; method?: string };
    if (id === undefined) return void res.writeHead(202).end();
    if (method !== 'initialize') return answer(id);
    const result = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      serverInfo: { name: 'n', version: '1' },
    };
    res
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  });
}
