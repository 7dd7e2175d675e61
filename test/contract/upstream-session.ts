import { describe, expect, it } from 'vitest';
import type { ServerDefinition } from '../../src/core/server.js';
import type { Progress, UpstreamEvent } from '../../src/core/upstream.js';
import type { OpenSessionOptions } from '../../src/upstream/open-session.js';
import { eventually } from '../support/processes.js';
import { type Bench, bench, errorOf, textOf, within } from '../support/upstream.js';

/** What every session does, whatever carries it; `define` starts the good fixture server where it is not started by us. */
export function upstreamSessionContract(
  title: string,
  define: (bench: Bench) => Promise<ServerDefinition>,
): void {
  describe(`UpstreamSession over ${title}`, () => {
    const bed = bench();
    const open = async (options: Partial<OpenSessionOptions> = {}) =>
      bed().open(await define(bed()), options);

    it('tells who the server is', async () => {
      const { identity } = await open();
      expect(identity).toEqual({
        name: 'good-server',
        title: 'A good server',
        version: '1.0.0',
        instructions: 'A server for tests.',
        protocolVersion: '2025-11-25',
        capabilities: { tools: { listChanged: true }, logging: {} },
      });
    });

    it('lists tools verbatim', async () => {
      const { tools, problems } = await (await open()).listTools(within());
      expect(problems).toEqual([]);
      expect(tools.map((tool) => tool.name)).toEqual(expect.arrayContaining(['echo', 'add', 'counter']));
      expect(tools.find((tool) => tool.name === 'add')).toMatchObject({
        outputSchema: { type: 'object', properties: { sum: { type: 'number' } } },
        annotations: { readOnlyHint: true, idempotentHint: true },
      });
    });

    it('passes results through as they came, known or not', async () => {
      const session = await open();
      const payload = await session.callTool('unknown_block', {}, within());
      expect(JSON.parse(Buffer.from(payload.bytes).toString('utf8'))).toEqual({
        content: [
          { type: 'hologram', depth: 3, annotations: { audience: ['user'], 'x-odd': true } },
          { type: 'text', text: 'beside it', _meta: { 'example.org/k': 1 } },
        ],
        'x-unknown': [1, 2],
        _meta: { 'example.org/trace': 'abc' },
      });
      expect((await session.callTool('fail', {}, within())).value).toMatchObject({ isError: true });
      expect((await session.callTool('add', { a: 1, b: 2 }, within())).value.structuredContent).toEqual({
        sum: 3,
      });
    });

    it('passes JSON-RPC errors on with code, message and data', async () => {
      const error = await errorOf(
        (await open()).callTool('fail', { how: 'rpc', message: 'no luck' }, within()),
      );
      expect(error.code).toBe('UPSTREAM_ERROR');
      expect(error.data).toEqual({
        server: 'under-test',
        code: -32042,
        message: 'no luck',
        data: { asked: true },
      });
    });

    it('runs requests concurrently and keeps them apart', async () => {
      const session = await open();
      const texts = Array.from({ length: 60 }, (_, i) => `text ${i}`);
      const answers = await Promise.all(
        texts.map((text) => textOf(session.callTool('echo', { text }, within()))),
      );
      expect(answers).toEqual(texts);
    });

    it('carries large results', async () => {
      const bytes = 3_000_000;
      expect(await textOf((await open()).callTool('blob', { bytes }, within(20_000)))).toHaveLength(bytes);
    });

    it('refuses a message above the limit and lives on', async () => {
      const session = await open({ maxMessageBytes: 100_000 });
      const error = await errorOf(session.callTool('blob', { bytes: 300_000 }, within(5_000)));
      expect(error.code).toBe('RESULT_TOO_LARGE');
      expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
    });

    it('reports progress under its own token and passes _meta on', async () => {
      const session = await open();
      const seen: Progress[] = [];
      const options = within(10_000, {
        onProgress: (progress) => seen.push(progress),
        meta: { progressToken: 'theirs', 'a/b': 1 },
      });
      await session.callTool('sleep', { ms: 600, steps: 3 }, options);
      expect(seen.at(-1)).toEqual({ progress: 3, total: 3, message: 'step 3' });
      const echoed = await session.callTool(
        'echo',
        { text: 'x', meta: true },
        within(5_000, { meta: { progressToken: 'theirs', 'a/b': 1 } }),
      );
      expect(echoed.value['_meta']).toEqual({ 'a/b': 1 });
    });

    it('ends a call at its deadline and tells the server once', async () => {
      const session = await open();
      const error = await errorOf(session.callTool('sleep', { ms: 20_000, steps: 1 }, within(300)));
      expect(error.code).toBe('TIMEOUT');
      expect(error.message).toContain('may have been executed');
      await eventually(() => bed().events('cancelled').length > 0);
      expect(bed().events('cancelled')).toHaveLength(1);
      expect(await textOf(session.callTool('echo', { text: 'alive' }, within()))).toBe('alive');
    });

    it('ends a call when its caller leaves, and no other call', async () => {
      const session = await open();
      const leaving = new AbortController();
      const left = errorOf(
        session.callTool('sleep', { ms: 20_000, steps: 1 }, within(20_000, { signal: leaving.signal })),
      );
      const staying = textOf(session.callTool('sleep', { ms: 800, steps: 1 }, within()));
      await eventually(
        () =>
          bed()
            .events('recv')
            .filter((event) => event['tool'] === 'sleep').length === 2,
      );
      leaving.abort();
      expect((await left).code).toBe('CANCELLED');
      expect(await staying).toBe('slept 800 ms');
      await eventually(() => bed().events('cancelled').length === 1);
    });

    it('does not send what was withdrawn before', async () => {
      const session = await open();
      const error = await errorOf(
        session.callTool('counter', {}, within(1_000, { signal: AbortSignal.abort() })),
      );
      expect(error.code).toBe('CANCELLED');
      expect(await textOf(session.callTool('counter', {}, within()))).toBe('1');
    });

    it('tells about changed tools and log messages', async () => {
      const session = await open();
      const events: UpstreamEvent[] = [];
      const stop = session.subscribe((event) => events.push(event));
      // Over HTTP the stream for these is opened beside the first requests.
      await new Promise((resolve) => setTimeout(resolve, 200));
      await session.callTool('notify', {}, within());
      await eventually(() => events.length >= 2);
      expect(events).toEqual([
        { type: 'log', level: 'warning', logger: 'good-server', data: { appearing: true } },
        { type: 'tools-changed' },
      ]);
      stop();
    });

    it('answers requests of the server', async () => {
      const session = await open({
        onRequest: async (method, params) => {
          if (method === 'roots/list') return { roots: [], asked: params };
          throw { code: -32602, message: 'not that' };
        },
      });
      const ask = async (method: string) =>
        JSON.parse(await textOf(session.callTool('ask', { method, params: { a: 1 } }, within())));
      expect(await ask('ping')).toEqual({ result: {} });
      expect(await ask('roots/list')).toEqual({ result: { roots: [], asked: { a: 1 } } });
      expect(await ask('sampling/createMessage')).toEqual({ error: { code: -32602, message: 'not that' } });
    });

    it('refuses requests of the server at once where nobody answers them', async () => {
      const session = await open();
      const answer = JSON.parse(await textOf(session.callTool('ask', { method: 'roots/list' }, within())));
      expect(answer).toEqual({ error: { code: -32601, message: 'Method not found: roots/list' } });
    });

    it('ends what waits when it is closed, and refuses what comes after', async () => {
      const session = await open();
      const waiting = errorOf(session.callTool('sleep', { ms: 20_000 }, within(20_000)));
      await eventually(() =>
        bed()
          .events('recv')
          .some((event) => event['tool'] === 'sleep'),
      );
      const [first, second] = await Promise.all([session.close(), session.close()]);
      expect(first).toEqual(second);
      expect(first.reason).toBe('closed');
      expect(await session.ended).toEqual(first);
      expect((await waiting).code).toBe('SERVER_DIED');
      expect((await errorOf(session.callTool('echo', {}, within()))).code).toBe('SERVER_DIED');
      expect((await errorOf(session.listTools(within()))).code).toBe('SERVER_DIED');
    });

    it('opens nothing for a caller that has left already', async () => {
      const definition = await define(bed());
      const error = await errorOf(bed().open(definition, { signal: AbortSignal.abort() }));
      expect(error.code).toBe('CANCELLED');
      expect(bed().events('recv')).toEqual([]);
    });
  });
}
