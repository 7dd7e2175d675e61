import { describe, expect, it } from 'vitest';
import type { UpstreamEvent } from '../../src/core/upstream.js';
import { localServers, startHostileHttp } from '../support/http-servers.js';
import { bench, errorOf, remoteDefinition, textOf, within } from '../support/upstream.js';

const bed = bench();
const started = (name: string, args: readonly string[]) => startHostileHttp(bed(), name, args);
const local = localServers();
const { listen } = local;

describe('REM-01 a server that forgets its sessions', () => {
  it.each(['404', '400'])('%s: one new session for all, each call executed once', async (how) => {
    // A session holds for ten calls, and twelve are made.
    const server = await started('http-404-session', how === '404' ? ['10', '404'] : ['10', '400']);
    const session = await server.open();
    const events: UpstreamEvent[] = [];
    session.subscribe((event) => events.push(event));
    const first = await Promise.all(
      Array.from({ length: 10 }, () => textOf(session.callTool('count', {}, within()))),
    );
    expect(first.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
    if (how === '400') {
      // The fixture says 400 with the code of an unknown session.
      expect(await textOf(session.callTool('count', {}, within()))).toBe('11');
    } else {
      const again = await Promise.all(
        Array.from({ length: 10 }, () => textOf(session.callTool('count', {}, within()))),
      );
      expect(again.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i + 11));
    }
    expect(await server.hits('initialize')).toHaveLength(2);
    expect(events).toEqual([{ type: 'tools-changed' }]);
  });

  it.each(['503', '200err'])('%s may follow real work: the call fails, nothing is repeated', async (how) => {
    const server = await started('http-404-session', ['1', how]);
    const session = await server.open();
    expect(await textOf(session.callTool('count', {}, within()))).toBe('1');
    expect((await errorOf(session.callTool('count', {}, within()))).code).toBe('UPSTREAM_ERROR');
    expect(await server.hits('tools/call')).toHaveLength(2);
  });

  it('does not loop when the new session is forgotten as well', async () => {
    const server = await started('http-404-session', ['0', '404']);
    const session = await server.open();
    const error = await errorOf(session.callTool('count', {}, within()));
    expect(error.code).toBe('UPSTREAM_ERROR');
    expect(error.data).toMatchObject({ status: 404 });
    expect(await server.hits('initialize')).toHaveLength(2);
    expect(await server.hits('tools/call')).toHaveLength(2);
  });
});

describe('REM-02 HTTP errors and bodies that are no MCP', () => {
  it.each([
    ['500', /HTTP 500/, 4],
    ['502html', /HTTP 502: &lt;html&gt;/, 4],
    ['200html', /text\/html instead of JSON: &lt;html&gt;Please log in/, 1],
    ['empty', /HTTP answer was empty/, 1],
    ['204', /HTTP 204 answer has no body/, 1],
    ['reset', /connection broke/, 1],
  ])('%s: fails the start, says what it was, escaped and short', async (how, says, tries) => {
    const server = await started('http-500', [how]);
    const error = await errorOf(server.open());
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toMatch(says);
    expect(error.message.length).toBeLessThan(600);
    expect(JSON.stringify(error)).not.toContain('<script>');
    expect(await server.hits('initialize')).toHaveLength(tries);
  });

  it.each(['503retry', '429'])('%s: a Retry-After beyond the time left fails at once', async (how) => {
    const server = await started('http-500', [how]);
    const error = await errorOf(server.open());
    expect(error.message).toContain(how === '429' ? 'HTTP 429' : 'HTTP 503');
    expect(await server.hits('initialize')).toHaveLength(1);
  });

  it('okthen500: a call is never repeated', async () => {
    const server = await started('http-500', ['okthen500']);
    const session = await server.open();
    const error = await errorOf(session.callTool('echo', {}, within()));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', retryable: false });
    expect(error.data).toMatchObject({ server: 'http-500', status: 500 });
    expect(await server.hits('tools/call')).toHaveLength(1);
  });

  it('a short Retry-After is honoured', async () => {
    let asked = 0;
    const times: number[] = [];
    const base = await listen((req, res) => {
      req.resume();
      if (req.method !== 'POST') return void res.writeHead(405).end();
      asked += 1;
      times.push(performance.now());
      if (asked === 1) return void res.writeHead(503, { 'retry-after': '1' }).end();
      const result = {
        protocolVersion: '2025-11-25',
        capabilities: {},
        serverInfo: { name: 'n', version: '1' },
      };
      res
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
    });
    const session = await bed().open(remoteDefinition('streamable-http', `${base}/mcp`));
    expect(session.identity.name).toBe('n');
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(950);
  });

  it('a server that is not there: says so', async () => {
    const base = await listen(() => {});
    await local.closeLast();
    const definition = remoteDefinition('streamable-http', `${base}/mcp`, { startTimeoutMs: 5_000 });
    const error = await errorOf(bed().open(definition));
    expect(error.code).toBe('SERVER_START_FAILED');
    expect(error.message).toContain('cannot be reached');
  });
});
