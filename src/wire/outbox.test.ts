import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Assembly } from './assembly.js';
import { CHANNEL_LIMITS } from './limits.js';
import { Outbox } from './outbox.js';
import { pack, Unframer } from './socket-frames.js';
import { compareVersions } from './version.js';

const limits = {
  ...CHANNEL_LIMITS,
  windowBytes: 2_000,
  windowMessages: 10,
  partBytes: 300,
  maxWaitingBytes: 50_000,
};

describe('what waits for a window', () => {
  it('arrives whole and in order, whatever the sizes, and never exceeds the window', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 1_500 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(sizes, (given) => {
        const arrived: { type: string; id: number; body: number }[] = [];
        const assembly = new Assembly<{ type: string; id: number }>(CHANNEL_LIMITS);
        let messages = 0;
        let bytes = 0;
        let ackedMessages = 0;
        let ackedBytes = 0;
        const outbox = new Outbox(
          limits,
          () => 0,
          (message) => {
            messages += 1;
            for (const part of message) bytes += part.byteLength;
            expect(messages - ackedMessages).toBeLessThanOrEqual(limits.windowMessages);
            expect(bytes - ackedBytes).toBeLessThanOrEqual(limits.windowBytes);
            const head = JSON.parse(Buffer.from(message[0] as Uint8Array).toString());
            const whole = assembly.add(head, message[1]);
            const body = Buffer.concat(whole?.body ?? []).byteLength;
            if (whole) arrived.push({ ...whole.frame, body });
          },
        );
        for (const [n, size] of given.entries()) {
          const id = n + 1;
          const body = Buffer.alloc(size, id);
          if (size <= limits.partBytes) outbox.small(Buffer.from(JSON.stringify({ type: 'x', id })), [body]);
          else outbox.long(id, Buffer.from(JSON.stringify({ type: 'x', id, size })), [body]);
        }
        while (outbox.waiting > 0) {
          [ackedMessages, ackedBytes] = [messages, bytes];
          outbox.acknowledged(messages, bytes);
        }
        const small = arrived.filter(({ id }) => (given[id - 1] ?? 0) <= limits.partBytes);
        expect(small.map(({ id }) => id)).toEqual([...small.map(({ id }) => id)].sort((a, b) => a - b));
        expect(arrived.map(({ body }) => body).sort()).toEqual([...given].sort());
        // What was sent before a long body is there before it.
        for (const [at, { id, body }] of arrived.entries())
          if (body > limits.partBytes)
            for (const later of arrived.slice(at))
              if (later.body <= limits.partBytes) expect(later.id).toBeGreaterThan(id);
      }),
    );
  });

  it('gives up a peer beyond the bound, and forgets what is not wanted', () => {
    const sent: unknown[] = [];
    const outbox = new Outbox(
      limits,
      () => 0,
      (message) => sent.push(message),
    );
    for (let n = 0; n < 10; n += 1) outbox.small(Buffer.alloc(10), []);
    outbox.small(Buffer.alloc(10), [], () => false);
    outbox.long(7, Buffer.alloc(10), [Buffer.alloc(1_000)]);
    expect(outbox.forget(7)).toBe(false);
    expect(sent.length).toBe(10);
    outbox.acknowledged(10, 100);
    expect(outbox.waiting).toBe(0);
    expect(sent.length).toBe(10);
    expect(outbox.long(8, Buffer.alloc(10), [Buffer.alloc(60_000)])).toMatch(/more than are kept/);
  });
});

describe('messages on a stream', () => {
  it('are cut the same wherever the chunks end', () => {
    const message = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 10 }), fc.integer({ min: 1, max: 50 }), (messages, step) => {
        const stream = Buffer.concat(pack(messages));
        const unframer = new Unframer(1_000);
        const got: Uint8Array[][] = [];
        for (let at = 0; at < stream.length; at += step)
          expect(unframer.push(stream.subarray(at, at + step), (parts) => got.push(parts))).toBeUndefined();
        expect(got.map((parts) => parts.map((part) => [...part]))).toEqual(
          messages.map((parts) => parts.map((part) => [...part])),
        );
      }),
    );
  });

  it('are the same when long parts are written right into their place', () => {
    const message = fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 10 }), fc.integer({ min: 1, max: 50 }), (messages, step) => {
        const stream = Buffer.concat(pack(messages));
        const unframer = new Unframer(1_000);
        const got: Uint8Array[][] = [];
        const emit = (parts: Uint8Array[]) => got.push(parts);
        for (let at = 0; at < stream.length; ) {
          const { room } = unframer;
          const bytes = Math.min(step, room?.length ?? step, stream.length - at);
          const read = stream.subarray(at, at + bytes);
          if (room === undefined) expect(unframer.push(read, emit)).toBeUndefined();
          else unframer.wrote(read.copy(room), emit);
          at += bytes;
        }
        expect(unframer.room).toBeUndefined();
        expect(got.map((parts) => parts.map((part) => [...part]))).toEqual(
          messages.map((parts) => parts.map((part) => [...part])),
        );
      }),
    );
  });

  it('are refused when they are too long or not messages', () => {
    for (const bytes of [
      Buffer.from('GET /'),
      Buffer.from([0xa0]),
      Buffer.from([0xa5, 0]),
      Buffer.from([0xa1, 0, 0, 4, 0]),
    ])
      expect(new Unframer(1_000).push(bytes, () => {})).toMatch(/form of this link|longer than/);
  });
});

describe('versions', () => {
  it('are ordered by their numbers', () => {
    const ordered = ['0.9.0', '0.10.0-rc.2', '0.10.0-rc.10', '0.10.0', '1.0.0', '1.0.1', '10.0.0'];
    expect([...ordered].reverse().sort(compareVersions)).toEqual(ordered);
    expect(compareVersions('1.0.0', '1.0.0+build')).toBe(0);
  });
});
