import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { sleep, untilAborted } from './abort.js';
import { CallSignal } from './call-signal.js';

describe('CallSignal', () => {
  it('aborts once, with the first reason, and tells each listener once', () => {
    const signal = new CallSignal();
    const heard: string[] = [];
    const a = () => heard.push('a');
    const b = { handleEvent: () => heard.push('b') };
    const c = () => heard.push('c');
    for (const listener of [a, b, c, a, c]) signal.addEventListener('abort', listener);
    signal.removeEventListener('abort', a);
    signal.addEventListener('abort', a);
    signal.onabort = () => heard.push('on');
    expect(signal.aborted).toBe(false);
    expect(() => signal.throwIfAborted()).not.toThrow();
    signal.abort('first');
    signal.abort('second');
    expect(heard).toEqual(['on', 'b', 'c', 'a']);
    expect([signal.aborted, signal.reason]).toEqual([true, 'first']);
    expect(() => signal.throwIfAborted()).toThrow('first');
    signal.addEventListener('abort', a);
    expect(heard).toHaveLength(4);
  });

  it('has the reason of the platform by default', () => {
    const signal = new CallSignal();
    const platform = new AbortController();
    signal.abort();
    platform.abort();
    expect(signal.reason).toMatchObject({ name: 'AbortError', message: platform.signal.reason.message });
  });

  it('is followed by, and follows, signals of the platform', () => {
    const controller = new AbortController();
    const [following, left, late] = [new CallSignal(), new CallSignal(), new CallSignal()];
    following.follow(controller.signal);
    left.follow(controller.signal)();
    controller.abort('why');
    late.follow(controller.signal);
    expect([following.reason, left.aborted, late.reason]).toEqual(['why', false, 'why']);
  });

  it('is refused loudly where it would never be heard', () => {
    expect(() => AbortSignal.any([new CallSignal()])).toThrow();
  });

  it('is taken for a signal by what waits, by Node and by fetch', async () => {
    const waits = (wait: (signal: AbortSignal) => Promise<unknown>) => {
      const signal = new CallSignal();
      const waiting = wait(signal);
      setImmediate(() => signal.abort(new Error('enough')));
      return waiting;
    };
    await expect(waits((signal) => sleep(60_000, { signal }))).rejects.toThrow('enough');
    await expect(waits((signal) => untilAborted(new Promise(() => {}), signal))).rejects.toThrow('enough');
    await expect(waits((signal) => once(new EventEmitter(), 'x', { signal }))).rejects.toThrow(/abort/);
    await expect(waits((signal) => fetch('http://192.0.2.1/', { signal }))).rejects.toThrow();
  });
});
