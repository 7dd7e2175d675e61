import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/processes.js';
import { callRequest, messagesOf, startHttpFace } from '../support/raw-http.js';

// What happens while a call runs, on both ways: see short-way.test.ts.

type Http = Awaited<ReturnType<typeof startHttpFace>>;
const open: Http[] = [];
afterEach(async () => {
  for (const http of open.splice(0)) await http.listener.close();
});

async function start(way: 'long' | 'short', options: Parameters<typeof startHttpFace>[0] = {}) {
  const http = await startHttpFace(options);
  open.push(http);
  const session = await http.initialize();
  if (way === 'short') await http.initialized(session);
  const post = (body: unknown, signal?: AbortSignal) =>
    fetch(`${http.url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...session,
      },
      body: JSON.stringify(body),
      ...(signal ? { signal } : {}),
    });
  const resume = (lastId: string) =>
    fetch(`${http.url}/mcp`, {
      headers: { accept: 'text/event-stream', 'last-event-id': lastId, ...session },
    });
  const called = (count: number) => eventually(() => http.runtime.calls.length === count);
  return { ...http, session, post, resume, called };
}

const kindOf = (response: Response) => response.headers.get('content-type')?.split(';')[0];
const STREAM = 'text/event-stream';
const cancel = (requestId: unknown) => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId, reason: 'no more' },
});

/** The ids of the events of a stream, as they came. */
const idsIn = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

/** Reads a stream of events as it comes. */
function reader(response: Response) {
  const stream = response.body!.getReader();
  let text = '';
  return {
    text: () => text,
    until: async (part: string) => {
      while (!text.includes(part)) {
        const { done, value } = await stream.read();
        if (done) throw new Error(`ended without ${part}: ${text}`);
        text += Buffer.from(value).toString();
      }
    },
  };
}

describe.each(['long', 'short'] as const)('a call over HTTP, the %s way', (way) => {
  it('CLI-01: keeps its id to itself, and a cancel ends it with an answer', async () => {
    const { post, runtime, called } = await start(way);
    const waiting = post(callRequest(1, 'hang', { key: 'a' }));
    const other = post(callRequest('1', 'hang', { key: 'b' }));
    await called(2);
    const refused = await post(callRequest(1, 'echo', { text: 'x' }));
    expect([refused.status, (await messagesOf(refused))[0].error.code]).toEqual([400, -32600]);
    expect((await post(cancel(1))).status).toBe(202);
    await eventually(() => runtime.calls.some(({ outcome }) => outcome === 'aborted'));
    expect(await messagesOf(await waiting)).toEqual([
      { jsonrpc: '2.0', id: 1, error: { code: -32600, message: 'The request was cancelled' } },
    ]);
    const again = await post(callRequest(1, 'echo', { text: 'free' }));
    expect((await messagesOf(again))[0].result.content[0].text).toBe('free');
    runtime.release('b');
    expect((await messagesOf(await other))[0]).toMatchObject({ id: '1', result: {} });
    expect(runtime.calls.map(({ outcome }) => outcome).sort()).toEqual(['aborted', 'done', 'done']);
  });

  it('a cancel ends it too when its stream is open', async () => {
    const { post, runtime } = await start(way);
    const waiting = await post(callRequest(1, 'hang', { key: 'a' }));
    expect(kindOf(waiting)).toBe(STREAM);
    await post(cancel(1));
    await eventually(() => runtime.calls[0]?.outcome === 'aborted');
    expect(await messagesOf(waiting)).toMatchObject([{ id: 1, error: { code: -32600 } }]);
  });

  it('tells progress on its stream, in order, before its answer', async () => {
    const { post } = await start(way);
    const request = callRequest(1, 'steps', { steps: 5, gap_ms: 1 });
    const params = { ...request.params, _meta: { progressToken: 'p' } };
    const text = await (await post({ ...request, params })).text();
    const messages = text.split('\n').filter((line) => line.startsWith('data: {'));
    expect(messages.map((line) => JSON.parse(line.slice(6)))).toMatchObject([
      ...[1, 2, 3, 4, 5].map((progress) => ({
        method: 'notifications/progress',
        params: { progress, progressToken: 'p' },
      })),
      { id: 1, result: { content: [{ text: 'done' }] } },
    ]);
    // The first is empty, so that a client can come back before anything was said.
    expect(text).toMatch(/^id: \d+\ndata: \n\n/);
    const ids = idsIn(text);
    expect(ids).toHaveLength(7);
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
  });

  it('runs once, though its answer is there before its stream is', async () => {
    const { post, runtime } = await start(way);
    for (let id = 0; id < 20; id += 1) {
      const request = callRequest(id, 'flash');
      const params = { ...request.params, _meta: { progressToken: id } };
      const messages = await messagesOf(await post({ ...request, params }));
      expect(messages).toMatchObject([
        { method: 'notifications/progress', params: { progress: 1 } },
        { id, result: { content: [{ text: 'done' }] } },
      ]);
    }
    expect(runtime.calls).toHaveLength(20);
  });

  it('asks its client on its stream', async () => {
    const { post } = await start(way);
    const response = await post(callRequest(1, 'ask', { question: 'Shall I?' }));
    expect(kindOf(response)).toBe(STREAM);
    const stream = reader(response);
    await stream.until('elicitation/create');
    const asked = /^data: (\{.*elicitation.*)$/m.exec(stream.text())?.[1] ?? '';
    const { id, params } = JSON.parse(asked);
    expect(params.message).toBe('Shall I?');
    const answer = { action: 'accept', content: { yes: true } };
    expect((await post({ jsonrpc: '2.0', id, result: answer })).status).toBe(202);
    await stream.until('"id":1');
    expect(stream.text()).toContain(JSON.stringify(JSON.stringify(answer)).slice(1, -1));
  });

  it('CLI-03: a long one shows that it goes on, and its answer can be fetched later', async () => {
    const { post, resume, runtime, called } = await start(way);
    const aborter = new AbortController();
    const response = await post(callRequest(8, 'hang', { key: 'later' }), aborter.signal);
    expect(kindOf(response)).toBe(STREAM);
    const stream = reader(response);
    await stream.until('data: \n\n');
    await called(1);
    const [eventId] = idsIn(stream.text());
    aborter.abort();
    runtime.release('later');
    await eventually(() => runtime.calls[0]?.outcome === 'done');
    const [answer] = await messagesOf(await resume(String(eventId)));
    expect(answer).toMatchObject({ id: 8, result: { content: [{ text: 'released later' }] } });
  });

  it('CLI-03: goes on when its client is gone at once, and sets its id free', async () => {
    const { post, runtime, called } = await start(way);
    const aborter = new AbortController();
    const gone = post(callRequest(8, 'hang', { key: 'x' }), aborter.signal).then((response) =>
      response.text(),
    );
    gone.catch(() => {});
    await called(1);
    aborter.abort();
    await expect(gone).rejects.toThrow();
    // Longer than an answer may be JSON.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(runtime.calls[0]?.outcome).toBe('waiting');
    runtime.release('x');
    await eventually(() => runtime.calls[0]?.outcome === 'done');
    await eventually(async () => {
      const response = await post(callRequest(8, 'echo', { text: 'free' }));
      return (await messagesOf(response))[0].result?.content[0].text === 'free';
    });
  });

  it('HTP-04: is use of its session, which is idle after it', async () => {
    const { post, runtime, called } = await start(way, { sessions: { idleMs: 250 } });
    const aborter = new AbortController();
    const gone = post(callRequest(1, 'hang', { key: 'gone' }), aborter.signal).catch(() => {});
    const waiting = post(callRequest(2, 'hang', { key: 'x' }));
    await called(2);
    aborter.abort();
    await gone;
    await new Promise((resolve) => setTimeout(resolve, 600));
    runtime.release('x');
    runtime.release('gone');
    expect((await messagesOf(await waiting))[0].result.content[0].text).toBe('released x');
    await eventually(() => runtime.attached.size === 0);
    expect((await post(callRequest(3, 'echo'))).status).toBe(404);
  });

  it.each(['at once', 'on its stream'])(
    'is withdrawn when its session ends, and its client hears of it %s',
    async (when) => {
      const { url, post, session, runtime, called } = await start(way);
      const waiting = post(callRequest(4, 'hang', { key: 'never' }));
      await called(1);
      if (when === 'on its stream') await waiting;
      const ended = await fetch(`${url}/mcp`, { method: 'DELETE', headers: session });
      expect(ended.status).toBe(200);
      await eventually(() => runtime.calls[0]?.outcome === 'aborted' && runtime.attached.size === 0);
      const response = await waiting;
      // What has its head already just ends; the client comes back, and hears what the other does.
      if (kindOf(response) === STREAM) expect(await messagesOf(response)).toEqual([]);
      else expect([response.status, (await messagesOf(response))[0].error.code]).toEqual([404, -32001]);
    },
  );
});

it('calls at once on one session are answered each with its own, whoever is late', async () => {
  const { post, runtime, called } = await start('short');
  const all = Array.from({ length: 60 }, (_, id) => post(callRequest(id, 'hang', { key: `${id}` })));
  await called(60);
  for (let id = 0; id < 60; id += 2) runtime.release(`${id}`);
  await new Promise((resolve) => setTimeout(resolve, 150));
  for (let id = 1; id < 60; id += 2) runtime.release(`${id}`);
  for (const [id, response] of (await Promise.all(all)).entries()) {
    expect(await messagesOf(response)).toMatchObject([
      { id, result: { content: [{ text: `released ${id}` }] } },
    ]);
  }
});
