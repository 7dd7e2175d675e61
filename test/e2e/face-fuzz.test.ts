import { Agent, request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { mutate, random, seeds } from '../support/fuzz.js';
import { callRequest, messagesOf, startHttpFace } from '../support/raw-http.js';
import { rawStdio } from '../support/raw-stdio.js';

/** Frames of each kind; FUZZ_FRAMES=100000 is the whole of CLI-04, and takes minutes. */
const FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 0);
const PATIENCE_MS = Math.max(60_000, FRAMES * 20);

const leaks = /node_modules|\.ts:\d|\.js:\d+:\d/;

describe('CLI-04: broken frames over stdio', () => {
  const each = Math.ceil((FRAMES || 30_000) / 3);
  it.each([1, 2, 3])(
    `${each} of them (seed %i) are answered or ignored, and the service goes on`,
    async (seed) => {
      const next = random(seed);
      const raw = rawStdio();
      await raw.initialize(seed === 1 ? '2025-03-26' : '2025-11-25');
      let rest = Buffer.alloc(0);
      for (let n = 0; n < each; n += 1) {
        rest = Buffer.concat([rest, mutate(seeds[n % seeds.length]!, next)]);
        const cut = Math.floor(next() * rest.length);
        raw.stdin.write(rest.subarray(0, cut));
        rest = Buffer.from(rest.subarray(cut));
        // Others wait for the same loop; a stream is not written to faster than it is read.
        if (n % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      raw.stdin.write(rest);
      expect((await raw.request('ping')).result).toEqual({});
      expect((await raw.call('echo', { text: 'still here' })).result.content[0].text).toBe('still here');
      await raw.service.close();
      for (const message of raw.lines().flatMap((line) => JSON.parse(line) as unknown)) {
        expect(message).toMatchObject({ jsonrpc: '2.0' });
        expect(JSON.stringify(message)).not.toMatch(leaks);
      }
      expect(({} as Record<string, unknown>)['a']).toBeUndefined();
      expect(raw.runtime.attached.size).toBe(0);
    },
    PATIENCE_MS,
  );
});

describe('CLI-04: broken frames over HTTP', () => {
  let close = async () => {};
  afterEach(() => close());

  it(
    `${FRAMES || 2_000} of them are answered, and another client gets its own answers meanwhile`,
    async () => {
      const http = await startHttpFace();
      const agent = new Agent({ keepAlive: true, maxSockets: 8 });
      close = async () => {
        agent.destroy();
        await http.listener.close();
      };
      const [fuzzed, good] = [await http.initialize(), await http.initialize()];
      // Its calls go the short way; those of the other do from when a frame says so.
      await http.initialized(good);
      const next = random(7);
      let sent = 0;
      let served = 0;
      const statuses = new Map<number, number>();

      const sender = async () => {
        while (sent < (FRAMES || 2_000)) {
          const n = sent;
          sent += 1;
          const frame = mutate(seeds[n % seeds.length]!, next).subarray(0, -1);
          const { status, text } = await post(http.listener.port, agent, frame, headersFor(fuzzed, next));
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          expect(text).not.toMatch(leaks);
          // None of what is broken is a fault of ours.
          expect([200, 202, 204, 400, 401, 403, 404, 405, 406, 409, 413, 415, 429, 503]).toContain(status);
        }
      };
      const bystander = async () => {
        while (sent < (FRAMES || 2_000)) {
          served += 1;
          const id = served;
          const nonce = `nonce-${id}-${next()}`;
          const response = await http.post(callRequest(id, 'echo', { text: nonce }), good);
          const [message] = (await messagesOf(response)).slice(-1);
          // It is there to be looked after, not to load the machine.
          await new Promise((resolve) => setTimeout(resolve, 20));
          expect(message).toMatchObject({ id, result: { content: [{ text: nonce }] } });
        }
      };
      await Promise.all([...Array.from({ length: 6 }, sender), bystander(), bystander()]);
      expect(served).toBeGreaterThan(10);
      // Frames that are refused, and frames that are still served.
      expect(statuses.get(200)).toBeGreaterThan(0);
      expect(statuses.get(400)).toBeGreaterThan(0);
      expect(({} as Record<string, unknown>)['a']).toBeUndefined();
    },
    PATIENCE_MS,
  );
});

function headersFor(session: Record<string, string>, next: () => number): Record<string, string> {
  const pick = <T>(...from: T[]): T => from[Math.floor(next() * from.length)] as T;
  const odd = next() < 0.2;
  return {
    'content-type': odd ? pick('text/plain', 'application/json; charset=x', '') : 'application/json',
    accept: odd ? pick('*/*', 'text/html', '') : 'application/json, text/event-stream',
    ...(next() < 0.7 ? session : {}),
    ...(next() < 0.1 ? { 'mcp-session-id': pick('', 'x', '../..', `${next()}`, '0'.repeat(4_000)) } : {}),
    ...(next() < 0.1 ? { 'mcp-protocol-version': pick('2026-07-28', '1999-01-01', 'x', '') } : {}),
  };
}

/** Rejects when no whole answer comes. */
function post(
  port: number,
  agent: Agent,
  body: Buffer,
  headers: Record<string, string>,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      port,
      host: '127.0.0.1',
      path: '/mcp',
      method: 'POST',
      agent,
      headers,
      timeout: 30_000,
    };
    const sending = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.once('error', reject);
    });
    sending.once('timeout', () => sending.destroy(new Error('no answer came')));
    sending.once('error', reject);
    sending.end(body);
  });
}
