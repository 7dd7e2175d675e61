import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Payload } from '../core/payload.js';
import { ContentManager } from './content-manager.js';
import { ContentNotes } from './notes.js';
import { ImageDescriber } from './vision.js';

const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const image = Buffer.from(PNG, 'base64');

interface Asked {
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly body: { model: string; messages: { content: { image_url?: { url: string } }[] }[] };
}

/** A local endpoint that speaks the API. */
class Stub {
  readonly asked: Asked[] = [];
  answer: (response: ServerResponse, request: IncomingMessage) => void = (response) =>
    say(response, 'A red dot.\u001b[31m\nOn white.');
  readonly #server: Server;

  constructor() {
    this.#server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const { url, headers } = request;
      const body = JSON.parse(Buffer.concat(parts).toString('utf8') || '{}') as Asked['body'];
      this.asked.push({ url, authorization: headers.authorization, body });
      this.answer(response, request);
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const say = (response: ServerResponse, content: string) =>
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ choices: [{ message: { role: 'assistant', content } }] }));

describe('descriptions of images', () => {
  let directory = '';
  let stub: Stub;
  let baseUrl = '';
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mcprt-vision-'));
    stub = new Stub();
    baseUrl = await stub.start();
  });
  afterEach(() => {
    stub.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const describer = (more: { timeoutMs?: number } = {}) => {
    const notes = new ContentNotes(join(directory, 'notes.db'), Date.now);
    return { notes, it: new ImageDescriber(notes, { baseUrl, model: 'seer', ...more }) };
  };

  it('STO-07: asks once for each image, in one line, and remembers it over a restart', async () => {
    const vision = { baseUrl, apiKey: 'k1', model: 'seer' };
    const result = Payload.fromValue({ content: [{ type: 'image', data: PNG, mimeType: 'image/png' }] });
    for (let life = 0; life < 2; life += 1) {
      const content = await ContentManager.open({ directory, vision });
      for (const principal of ['ann', 'bob']) {
        const offloaded = await content.offload(result, { principal });
        const text = String(offloaded.value.content?.[0]?.['text']);
        expect(text).toContain('1x1; A red dot. On white.]');
        const ref = /\[Reference: ([0-9a-f-]{36})\]/.exec(text)?.[1];
        expect(await content.read(principal, ref)).toMatchObject({ data: PNG, text: 'A red dot. On white.' });
      }
      content.close();
    }
    expect(stub.asked).toHaveLength(1);
    expect(stub.asked[0]).toMatchObject({
      url: '/v1/chat/completions',
      authorization: 'Bearer k1',
      body: { model: 'seer' },
    });
    expect(stub.asked[0]?.body.messages[0]?.content[1]?.image_url?.url).toBe(`data:image/png;base64,${PNG}`);
  });

  it('STO-07: a slow endpoint delays nothing beyond the bound, and its answer serves the next', async () => {
    let let_go: () => void = () => {};
    stub.answer = (response) => {
      let_go = () => say(response, 'late words');
    };
    const { it: slow, notes } = describer();
    expect(await slow.describe(image, 'image/png', 30)).toBeUndefined();
    const joined = slow.describe(image, 'image/png', 10_000);
    while (stub.asked.length === 0) await sleep(5);
    let_go();
    expect(await joined).toBe('late words');
    expect(await slow.describe(image, 'image/png', 0)).toBe('late words');
    expect(stub.asked).toHaveLength(1);
    slow.close();
    notes.close();
  });

  it('STO-07: failures are no errors of the result, and an endpoint that fails is left alone for a while', async () => {
    for (const answer of [
      (response: ServerResponse) => response.writeHead(500).end('no'),
      (response: ServerResponse) => response.writeHead(200).end('{"choices":[]}'),
      (response: ServerResponse) => response.writeHead(200).end('not json'),
      (response: ServerResponse) => response.writeHead(302, { location: `${baseUrl}elsewhere` }).end(),
      (response: ServerResponse) => response.writeHead(200).end('x'.repeat(300_000)),
      (response: ServerResponse) => response.destroy(),
    ]) {
      stub.answer = answer;
      stub.asked.length = 0;
      const { it: failing, notes } = describer();
      expect(await failing.describe(image, 'image/png', 10_000)).toBeUndefined();
      expect(await failing.describe(Buffer.from('other'), 'image/png', 10_000)).toBeUndefined();
      expect(stub.asked).toHaveLength(1);
      failing.close();
      notes.close();
    }
  });

  it('asks for nothing that no model takes: other types, very large images', async () => {
    const { it: picky, notes } = describer();
    expect(await picky.describe(image, 'image/svg+xml', 10_000)).toBeUndefined();
    expect(await picky.describe(Buffer.alloc(9_000_000), 'image/png', 10_000)).toBeUndefined();
    expect(stub.asked).toHaveLength(0);
    picky.close();
    notes.close();
  });

  it('gives up what is still being asked when it is closed', async () => {
    stub.answer = () => {};
    const { it: closing, notes } = describer();
    const asking = closing.describe(image, 'image/png', 10_000);
    while (stub.asked.length === 0) await sleep(5);
    closing.close();
    notes.close();
    expect(await asking).toBeUndefined();
  });
});
