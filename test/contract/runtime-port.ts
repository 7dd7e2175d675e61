import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationContext } from '../../src/core/caller.js';
import { RuntimeError } from '../../src/core/errors.js';
import type { RuntimeEvent } from '../../src/core/events.js';
import { Payload } from '../../src/core/payload.js';
import type { CallToolResult, Progress } from '../../src/core/upstream.js';
import { invoke } from '../../src/operations/invoke.js';
import type { RuntimePort } from '../../src/operations/table.js';
import { eventually } from '../support/processes.js';

/**
 * What the suite needs: a runtime with one server called `good` that has the tools of
 * `test/fixtures/good-server.mjs`, and a limit of result tokens that lets 20 MiB pass.
 */
export interface PortUnderTest {
  readonly name: string;
  open(): Promise<{ readonly port: RuntimePort; close(): Promise<void> }>;
}

/** What every runtime owes to a face, near or far. */
export function runtimePortContract(under: PortUnderTest): void {
  describe(`${under.name} as a runtime`, () => {
    let opened: Awaited<ReturnType<PortUnderTest['open']>>;
    let port: RuntimePort;
    const caller = { principal: 'local', clientId: randomUUID(), clientName: 'contract' };
    let detach: () => void;

    beforeAll(async () => {
      opened = await under.open();
      port = opened.port;
      detach = port.attach(caller);
    });
    afterAll(async () => {
      detach?.();
      await opened?.close();
    });

    const context = (more: Partial<OperationContext> = {}): OperationContext => ({
      caller,
      signal: new AbortController().signal,
      ...more,
    });

    async function call(
      tool: string,
      args: Record<string, unknown> = {},
      more: Partial<OperationContext> = {},
    ): Promise<Payload<CallToolResult>> {
      const input = { server_name: 'good', tool_name: tool, arguments: args };
      const output = await invoke(port, 'execute_tool', input, context(more));
      if (output.status !== 'completed') throw new Error(`the call is ${output.status}`);
      expect(output.result).toBeInstanceOf(Payload);
      return output.result;
    }
    const textOf = (result: CallToolResult) => String(result.content?.[0]?.['text']);

    it('gives the result of a tool as it came, with content of unknown kinds', async () => {
      expect((await call('unknown_block')).value).toEqual({
        content: [
          { type: 'hologram', depth: 3, annotations: { audience: ['user'], 'x-odd': true } },
          { type: 'text', text: 'beside it', _meta: { 'example.org/k': 1 } },
        ],
        'x-unknown': [1, 2],
        _meta: { 'example.org/trace': 'abc' },
      });
      expect((await call('fail', { how: 'result' })).value).toMatchObject({ isError: true });
    });

    it.each([
      ['nothing', 0],
      ['just under a part', 256 * 1024 - 60],
      ['1 MiB', 1024 * 1024],
      ['20 MiB', 20 * 1024 * 1024],
    ])('gives %s byte by byte', async (_name, bytes) => {
      const sha = (text: string) => createHash('sha256').update(text).digest('hex');
      const wanted = '0123456789'.repeat(Math.ceil(bytes / 10)).slice(0, bytes);
      const result = await call('blob', { bytes });
      expect(result.byteLength).toBeGreaterThan(bytes);
      expect(sha(textOf(result.value))).toBe(sha(wanted));
    });

    it.each([
      ['text of all planes', 'äöü \u0000 \u2028 😀 \ud83d\ude00 "\\'],
      ['1 MiB', 'ä'.repeat(512 * 1024)],
      ['just over the head', 'x'.repeat(64 * 1024)],
    ])('takes arguments of %s', async (_name, text) => {
      expect(textOf((await call('echo', { text })).value)).toBe(text);
    });

    it('passes _meta on', async () => {
      const meta = { 'example.org/trace': ['abc', 1] };
      const { _meta } = (await call('echo', { meta: true }, { meta })).value;
      expect(_meta).toMatchObject(meta);
    });

    it('answers 500 calls at once, each with its own', async () => {
      const sent = Array.from({ length: 500 }, () => randomUUID());
      const got = await Promise.all(
        sent.map(async (text, n) =>
          textOf((await call('echo', { text: n % 50 === 0 ? text.repeat(10_000) : text })).value),
        ),
      );
      expect(got.map((text) => text.slice(0, 36))).toEqual(sent);
    });

    it('answers a small call while a large result is under way', async () => {
      const order: string[] = [];
      const large = call('blob', { bytes: 20 * 1024 * 1024 }).then(() => order.push('large'));
      const small = call('echo', { text: 'small' }).then(() => order.push('small'));
      await Promise.all([large, small]);
      expect(order.sort()).toEqual(['large', 'small']);
    });

    it('tells progress in order, before the result', async () => {
      const seen: Progress[] = [];
      await call('sleep', { ms: 800, steps: 4 }, { progress: (progress) => seen.push(progress) });
      const count = seen.length;
      expect(seen.map(({ progress }) => progress)).toEqual([1, 2, 3, 4]);
      expect(seen.at(-1)).toMatchObject({ total: 4, message: 'step 4' });
      await call('echo', {});
      expect(seen.length).toBe(count);
    });

    it('ends a call that its caller withdraws, and only that', async () => {
      const withdrawn = new AbortController();
      const other = call('sleep', { ms: 300 });
      const one = call('sleep', { ms: 20_000 }, { signal: withdrawn.signal });
      setTimeout(() => withdrawn.abort(), 50);
      await expect(one).rejects.toMatchObject({ name: 'RuntimeError', code: 'CANCELLED' });
      expect(textOf((await other).value)).toBe('slept 300 ms');
    });

    it('refuses a call that was withdrawn before it began', async () => {
      await expect(call('counter', {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'CANCELLED',
      });
    });

    it('gives errors with all their facts', async () => {
      const error = await invoke(
        port,
        'execute_tool',
        { server_name: 'nobody', tool_name: 'x' },
        context(),
      ).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(RuntimeError);
      expect(error).toMatchObject({ code: 'SERVER_NOT_FOUND', retryable: false });
      expect((error as RuntimeError).message).toContain('nobody');
      const upstream = await call('fail', { how: 'rpc', message: 'broken' }).catch(
        (caught: unknown) => caught,
      );
      expect(upstream).toBeInstanceOf(RuntimeError);
      expect(upstream).toMatchObject({ code: 'UPSTREAM_ERROR' });
      expect((upstream as RuntimeError).message).toContain('broken');
    });

    it('refuses wrong arguments by the schema', async () => {
      await expect(invoke(port, 'execute_tool', { server_name: 7 }, context())).rejects.toMatchObject({
        code: 'INVALID_ARGUMENTS',
      });
    });

    it('lists in the shape of the contract', async () => {
      const { servers, total } = await invoke(port, 'list_servers', {}, context());
      expect(total).toBeGreaterThanOrEqual(1);
      expect(servers.map(({ server }) => server)).toContain('good');
      expect(await invoke(port, 'get_statistics', {}, context())).toMatchObject({
        servers: expect.any(Number),
      });
    });

    it('runs a call in the background and gives its result whenever asked', async () => {
      const events: RuntimeEvent[] = [];
      const unsubscribe = port.subscribe((event) => events.push(event));
      const input = {
        server_name: 'good',
        tool_name: 'blob',
        arguments: { bytes: 1024 * 1024 },
        in_background: true,
      };
      const queued = await invoke(port, 'execute_tool', input, context());
      if (queued.status !== 'queued') throw new Error(queued.status);
      const { task_id } = queued;
      const done = await invoke(port, 'poll_task_result', { task_id, wait: 20 }, context());
      expect(done.status).toBe('completed');
      expect(textOf(done.result?.value ?? {}).length).toBe(1024 * 1024);
      const again = await invoke(port, 'poll_task_result', { task_id }, context());
      expect(again.result?.value).toEqual(done.result?.value);
      await eventually(() =>
        events.some((event) => event.type === 'task-changed' && event.taskId === task_id),
      );
      unsubscribe();
      expect((await invoke(port, 'list_tasks', {}, context())).tasks.map((task) => task.task_id)).toContain(
        task_id,
      );
      expect(await invoke(port, 'poll_task_result', { task_id: randomUUID() }, context())).toMatchObject({
        status: 'not_found',
      });
    });

    it('keeps the tasks of another principal unseen', async () => {
      const queued = await invoke(
        port,
        'execute_tool',
        { server_name: 'good', tool_name: 'echo', in_background: true },
        context(),
      );
      if (queued.status !== 'queued') throw new Error(queued.status);
      const stranger = { principal: 'stranger', clientId: randomUUID() };
      const leave = port.attach(stranger);
      expect(
        await invoke(port, 'poll_task_result', { task_id: queued.task_id }, context({ caller: stranger })),
      ).toMatchObject({ status: 'not_found' });
      leave();
    });

    it('cancels a task', async () => {
      const queued = await invoke(
        port,
        'execute_tool',
        { server_name: 'good', tool_name: 'sleep', arguments: { ms: 20_000 }, in_background: true },
        context(),
      );
      if (queued.status !== 'queued') throw new Error(queued.status);
      const { task_id } = queued;
      await invoke(port, 'cancel_task', { task_id }, context());
      expect((await invoke(port, 'poll_task_result', { task_id, wait: 5 }, context())).status).toBe(
        'cancelled',
      );
    });

    it('takes back the calls of a client that leaves', async () => {
      const leaving = { principal: 'local', clientId: randomUUID() };
      const leave = port.attach(leaving);
      const one = call('sleep', { ms: 20_000 }, { caller: leaving });
      setTimeout(leave, 50);
      await expect(one).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(textOf((await call('echo', { text: 'here' })).value)).toBe('here');
    });
  });
}
