import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../../core/errors.js';
import { Outbox } from './outbox.js';

/** A pipe that takes nothing until it is told to. */
class SlowPipe extends Writable {
  readonly writes: string[] = [];
  #next: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 64, decodeStrings: false });
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.writes.push(chunk);
    this.#next = done;
  }

  take(): void {
    const next = this.#next;
    this.#next = undefined;
    next?.();
  }
}

const tick = () => new Promise((resolve) => setImmediate(resolve));
const request = (id: number, size = 10) =>
  ({ kind: 'request', id, method: 'm', json: `${id}`.padEnd(size, '.') }) as const;

describe('Outbox', () => {
  it('sends what comes in one turn in one write, in order', async () => {
    const pipe = new SlowPipe();
    const outbox = new Outbox(pipe, { server: 's', maxWaiting: 1_000 });
    const sent = [1, 2, 3].map((id) => outbox.send(request(id, 3)));
    await tick();
    expect(pipe.writes).toEqual(['1..\n2..\n3..\n']);
    expect(outbox.release(2)).toBe('partly');
    pipe.take();
    await Promise.all(sent);
    expect(outbox.release(2)).toBe('sent');
  });

  it('keeps what the pipe does not take, and can take it back', async () => {
    const pipe = new SlowPipe();
    const outbox = new Outbox(pipe, { server: 's', maxWaiting: 1_000 });
    const first = outbox.send(request(1, 100));
    await tick();
    const second = outbox.send(request(2));
    const third = outbox.send(request(3));
    await tick();
    expect(pipe.writes).toHaveLength(1);
    expect(outbox.release(2)).toBe('unsent');
    pipe.take();
    await first;
    await tick();
    pipe.take();
    await Promise.all([second, third]);
    expect(pipe.writes[1]).toBe('3.........\n');
  });

  it('refuses more than may wait, and fails what waits when it is closed', async () => {
    const pipe = new SlowPipe();
    const outbox = new Outbox(pipe, { server: 'the-server', maxWaiting: 150 });
    const first = outbox.send(request(1, 100));
    await tick();
    const second = outbox.send(request(2, 100));
    await expect(outbox.send(request(3, 100))).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    const end = new RuntimeError('SERVER_DIED', 'over');
    outbox.close(end);
    for (const late of [first, second, outbox.send(request(4))]) await expect(late).rejects.toBe(end);
  });

  it('fails what a broken pipe did not take, when it is closed', async () => {
    const pipe = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
    pipe.on('error', () => {});
    const outbox = new Outbox(pipe, { server: 's', maxWaiting: 1_000 });
    const sent = outbox.send(request(1));
    sent.catch(() => {});
    await tick();
    const end = new RuntimeError('SERVER_DIED', 'over');
    outbox.close(end);
    await expect(sent).rejects.toBe(end);
  });
});
