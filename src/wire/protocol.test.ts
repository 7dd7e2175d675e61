import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPort } from '../../test/fixtures/wire-port.mjs';
import { eventually } from '../../test/support/processes.js';
import { RuntimeError } from '../core/errors.js';
import type { RuntimeEvent } from '../core/events.js';
import { Payload } from '../core/payload.js';
import { connectRuntime } from './client.js';
import { PROTOCOL_VERSION } from './frames.js';
import type { LinkConnection } from './link.js';
import { type RuntimeServer, serveRuntime } from './server.js';
import { connectSocket, listenSocket } from './socket-link.js';

const home = mkdtempSync(join(tmpdir(), 'wire-protocol-'));
const path = join(home, 's');
const port = createPort({ Payload, RuntimeError });
let server: RuntimeServer;
let now = () => performance.now();

beforeEach(async () => {
  now = () => performance.now();
  server = await serveRuntime({
    port,
    listen: [(accept) => listenSocket(path, accept)],
    version: '2.0.0',
    pid: 42,
    now: () => now(),
    limits: { maxBodyBytes: 1024 * 1024, partBytes: 1024, maxAssemblingBytes: 2 * 1024 * 1024 },
  });
});
afterEach(async () => {
  await server.close();
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

type Heard = { readonly type: string; readonly [key: string]: unknown };

/** A front-end that says whatever it likes. */
async function rough() {
  const heard: Heard[] = [];
  let gone = false;
  const connection: LinkConnection = await connectSocket(path, {
    message: (parts) => heard.push(JSON.parse(Buffer.from(parts[0] as Uint8Array).toString()) as Heard),
    gone: () => {
      gone = true;
    },
  });
  const say = (frame: unknown, ...body: Uint8Array[]) =>
    connection.send([Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame)), ...body]);
  return { heard, say, gone: () => gone, connection };
}
const hello = { type: 'hello', protocol: PROTOCOL_VERSION, version: '2.0.0', clock: 1 };
const caller = { principal: 'local', clientId: 'c' };
const request = (more: object) => ({
  type: 'request',
  id: 1,
  op: 'list_servers',
  caller,
  deadline: performance.now() + 60_000,
  input: {},
  ...more,
});

describe('what is not of the protocol is refused with the reason', () => {
  it.each<[string, unknown, Uint8Array[], string, RegExp]>([
    [
      'another version',
      { ...hello, protocol: 99, version: '9.0.0' },
      [],
      'version',
      new RegExp(`2\\.0\\.0 speaks protocol ${PROTOCOL_VERSION}.*9\\.0\\.0 speaks 99`),
    ],
    ['no hello', request({}), [], 'protocol', /request came before the hello/],
    ['no JSON', 'hello?', [], 'protocol', /not JSON/],
    ['an unknown frame', { type: 'dance' }, [], 'protocol', /not valid/],
    ['a frame that is a list', '[1,2]', [], 'protocol', /not valid/],
    ['a frame of three parts', hello, [Buffer.alloc(1), Buffer.alloc(1)], 'protocol', /3 parts/],
  ])('%s', async (_name, frame, body, reason, message) => {
    const front = await rough();
    front.say(frame, ...body);
    await eventually(() => front.gone());
    expect(front.heard).toEqual([{ type: 'goodbye', reason, message: expect.stringMatching(message) }]);
    await eventually(() => server.links[0]?.connections === 0);
  });

  it.each<[string, unknown[], RegExp]>([
    ['a second hello', [hello], /second hello/],
    [
      'an id twice',
      [
        request({
          op: 'execute_tool',
          input: { server_name: 'good', tool_name: 'sleep', arguments: { ms: 5_000 } },
        }),
        request({}),
      ],
      /id 1 is in use/,
    ],
    ['a part that nothing began', [{ type: 'part', id: 7 }], /nothing began/],
    ['a body that is too long', [request({ size: 1e12 })], /more than is accepted/],
    [
      'bodies that are too long together',
      [1, 2, 3].map((id) => request({ id, size: 1024 * 1024 })),
      /more than is accepted/,
    ],
    ['more acknowledged than sent', [{ type: 'ack', messages: 9, bytes: 9e9 }], /acknowledged/],
    ['a negative id', [request({ id: -1 })], /id/],
    [
      'a restriction that says more than is understood',
      [{ type: 'attach', caller: { ...caller, restriction: { allow: [{ server: 'a', until: 'noon' }] } } }],
      /until|restriction/,
    ],
    ['a client of another shape', [request({ client: { capabilities: 1 } })], /client/],
    [
      'news of a client of another shape',
      [{ type: 'client', clientId: 'c', client: { capabilities: [], logLevel: 1 } }],
      /capabilities|logLevel/,
    ],
  ])('%s, after the hello', async (_name, frames, message) => {
    const front = await rough();
    front.say(hello);
    for (const frame of frames) front.say(frame);
    await eventually(() => front.gone());
    expect(front.heard[0]).toMatchObject({ type: 'welcome', version: '2.0.0', pid: 42 });
    expect(front.heard.at(-1)).toMatchObject({ type: 'goodbye', message: expect.stringMatching(message) });
    await eventually(() => port.running() === 0);
  });

  it('answers what it does not know without ending the connection', async () => {
    const front = await rough();
    front.say(hello);
    front.say(request({ id: 1, op: 'fly' }));
    front.say(request({ id: 2, caller: 'stranger' }));
    front.say(request({ id: 3, op: 'execute_tool', input: { server_name: 1 } }));
    front.say(request({ id: 4, deadline: 0 }));
    front.say(request({ id: 5, future: true }));
    front.say({ type: 'client', clientId: 'stranger', client: { capabilities: {} } });
    front.say(request({ id: 6, client: true }));
    await eventually(() => front.heard.length === 7);
    const by = new Map(front.heard.map((frame) => [frame['id'], frame]));
    expect(by.get(1)).toMatchObject({ error: { code: 'UNSUPPORTED' } });
    expect(by.get(2)).toMatchObject({ error: { code: 'FORBIDDEN' } });
    expect(by.get(3)).toMatchObject({ error: { code: 'INVALID_ARGUMENTS' } });
    expect(by.get(4)).toMatchObject({ error: { code: 'TIMEOUT', data: { executed: false } } });
    expect(by.get(5)).toMatchObject({ type: 'result' });
    expect(by.get(6)).toMatchObject({ type: 'result' });
    front.connection.close();
  });
});

describe('a front-end', () => {
  const join_ = (more = {}) =>
    connectRuntime({
      link: (listener) => connectSocket(path, listener),
      version: '2.0.0',
      now: () => now(),
      ...more,
    });
  const context = () => ({
    caller: { principal: 'local', clientId: randomUUID() },
    signal: new AbortController().signal,
  });

  it('tells of a client once, anew when it changed, and with what is long each time', async () => {
    const seen: unknown[] = [];
    const watched = await serveRuntime({
      port: {
        ...port,
        list_servers: async (_input, { client }) => {
          seen.push(client && [client.capabilities, client.logLevel, client.round]);
          return { servers: [], total: 0 };
        },
      },
      listen: [(accept) => listenSocket(`${path}2`, accept)],
      version: '2.0.0',
      pid: 42,
    });
    let told = 0;
    const runtime = await connectRuntime({
      link: async (listener) => {
        const connection = await connectSocket(`${path}2`, listener);
        const send = (message: readonly Uint8Array[]) => {
          if (Buffer.from(message[0] as Uint8Array).includes('"type":"client"')) told += 1;
          connection.send(message);
        };
        return { id: connection.id, send, close: () => connection.close() };
      },
      version: '2.0.0',
    });
    const { caller: mine, signal } = context();
    const link = (capabilities: object, more: object = {}) => ({
      clientId: mine.clientId,
      capabilities: capabilities as Record<string, unknown>,
      ask: async () => ({}),
      tell: () => {},
      ...more,
    });
    const list = (client: ReturnType<typeof link> | undefined, query = '') =>
      runtime.list_servers({ query } as never, { caller: mine, signal, client });
    const [first, second] = [{ roots: {} }, { sampling: {} }];
    await list(link(first));
    runtime.attach(mine);
    await list(link(first));
    await list(link(first));
    await list(link(first), 'x'.repeat(100_000));
    await list(link(first, { logLevel: 'error' }));
    await list(link(second, { logLevel: 'error' }));
    await list(link(second, { logLevel: 'error', round: { requestState: 's' } }));
    await list(undefined);
    expect(seen).toEqual([
      ...Array.from({ length: 4 }, () => [first, undefined, undefined]),
      [first, 'error', undefined],
      [second, 'error', undefined],
      [second, 'error', { requestState: 's' }],
      undefined,
    ]);
    expect(told).toBe(3);
    await runtime.close();
    await watched.close();
  });

  it('leaves nothing behind', async () => {
    const runtime = await join_();
    // What a caller is restricted to comes along.
    const mine = { ...context().caller, restriction: { allow: [{ server: 'good', readOnly: true }] } };
    runtime.attach(mine);
    runtime.subscribe(() => {});
    const running = runtime.execute_tool(
      {
        server_name: 'good',
        tool_name: 'sleep',
        arguments: { ms: 20_000 },
        timeout: 60,
        in_background: false,
        priority: 1,
      },
      { ...context(), caller: mine },
    );
    running.catch(() => {});
    await eventually(() => port.running() === 1 && port.listening() === 1);
    expect(server.clients()).toMatchObject([{ inFlight: 1, callers: [mine], version: '2.0.0' }]);
    await runtime.close();
    await expect(running).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await eventually(() => port.running() === 0 && port.listening() === 0 && port.attached().length === 0);
    expect(server.clients()).toEqual([]);
    await expect(runtime.list_servers({ limit: 1, offset: 0 }, context())).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
    });
  });

  it('keeps its callers and its subscription at the next engine', async () => {
    const link = (listener: Parameters<typeof connectSocket>[1]) => connectSocket(path, listener);
    const lost: string[] = [];
    const runtime = await join_({
      reconnect: async () => link,
      onLost: (end: { reason: string }) => lost.push(end.reason),
    });
    const { caller: mine } = context();
    runtime.attach(mine);
    const events: RuntimeEvent[] = [];
    runtime.subscribe((event) => events.push(event));
    await eventually(() => port.attached().length === 1);
    await server.close();
    await eventually(() => lost.length === 1);
    expect(port.attached()).toEqual([]);
    server = await serveRuntime({
      port,
      listen: [(accept) => listenSocket(path, accept)],
      version: '2.0.1',
      pid: 43,
    });
    await Promise.all(
      Array.from({ length: 20 }, () =>
        runtime.list_servers({ limit: 1, offset: 0 }, { ...context(), caller: mine }),
      ),
    );
    expect(runtime.engine).toMatchObject({ pid: 43, version: '2.0.1', connected: true });
    expect(port.attached()).toEqual([mine]);
    await eventually(() => port.listening() === 1);
    expect(server.clients().length).toBe(1);
    await runtime.close();
  });

  it('is not disturbed by clocks that differ or by the calendar', async () => {
    const runtime = await connectRuntime({
      link: (listener) => connectSocket(path, listener),
      version: '2.0.0',
      now: () => performance.now() + 1e9,
      patience: () => 5_000,
    });
    expect(await runtime.list_servers({ limit: 1, offset: 0 }, context())).toMatchObject({ total: 1 });
    await runtime.close();
  });

  it('says that a result is larger than the wire takes', async () => {
    const runtime = await join_();
    const input = { server_name: 'good', tool_name: 'blob', timeout: 60, in_background: false, priority: 1 };
    await expect(
      runtime.execute_tool({ ...input, arguments: { bytes: 2 * 1024 * 1024 } }, context()),
    ).rejects.toMatchObject({ code: 'RESULT_TOO_LARGE' });
    const { total } = await runtime.list_servers({ limit: 1, offset: 0 }, context());
    expect(total).toBe(1);
    await runtime.close();
  });

  it('takes long answers that are no payload', async () => {
    const runtime = await join_();
    const content = await runtime.get_content({ ref_id: 'x', search: '100000' }, context());
    expect(content.text).toBe('long '.repeat(100_000));
    await runtime.close();
  });
});
