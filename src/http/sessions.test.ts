import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { type Closable, Sessions } from './sessions.js';

class Thing implements Closable {
  busy = false;
  closed = 0;
  async close(): Promise<void> {
    this.closed += 1;
  }
}

const ada = { principal: 'ada' };
const bob = { principal: 'bob' };
const open: Sessions<Thing>[] = [];
afterEach(async () => {
  for (const sessions of open.splice(0)) await sessions.close();
});

function make(max: number) {
  const clock = { now: 0 };
  const sessions = new Sessions<Thing>({ max, maxPerOwner: 2, idleMs: 10_000 }, () => clock.now);
  open.push(sessions);
  const add = (id: string) => {
    const thing = new Thing();
    sessions.add(id, ada, thing);
    return thing;
  };
  return { clock, sessions, add };
}

describe('Sessions', () => {
  it('gives a session to its principal alone', () => {
    const { sessions, add } = make(2);
    const thing = add('s');
    expect(sessions.find('s', ada, undefined)).toBe(thing);
    expect(sessions.find('s', bob, undefined)).toBeUndefined();
    expect(sessions.find('t', ada, undefined)).toBeUndefined();
    // Another token of hers, which may do less.
    const less = { ...ada, restriction: { allow: [{ readOnly: true }] } };
    expect(sessions.find('s', less, undefined)).toBeUndefined();
  });

  it('HTP-04: lets no holder take all of them', () => {
    const { clock, sessions, add } = make(9);
    const first = add('1');
    add('2');
    expect([sessions.hasRoom(ada), sessions.hasRoom(bob)]).toEqual([false, true]);
    clock.now = 60_001;
    expect(sessions.hasRoom(ada)).toBe(true);
    expect(first.closed).toBe(1);
  });

  it('HTP-04: ends with the token that it was begun with', async () => {
    const { sessions } = make(9);
    const thing = new Thing();
    let isGood = true;
    sessions.add('s', { ...ada, isValid: async () => isGood }, thing);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(thing.closed).toBe(0);
    isGood = false;
    await expect.poll(() => thing.closed, { timeout: 10_000 }).toBe(1);
    expect(sessions.size).toBe(0);
  });

  it('ends what is idle too long, but nothing that is busy or streaming', () => {
    const { clock, sessions, add } = make(9);
    const [idle, used, busy, streaming] = [add('idle'), add('used'), add('busy'), add('streaming')];
    busy.busy = true;
    const outgoing = new EventEmitter();
    sessions.find('streaming', ada, outgoing);
    clock.now = 9_000;
    sessions.find('used', ada, undefined);
    clock.now = 11_000;
    sessions.sweep();
    expect([idle.closed, used.closed, busy.closed, streaming.closed]).toEqual([1, 0, 0, 0]);
    outgoing.emit('close');
    clock.now = 21_500;
    sessions.sweep();
    expect([used.closed, busy.closed, streaming.closed]).toEqual([1, 0, 1]);
  });

  it('makes room by ending the one unused for longest, if that is long enough', () => {
    const { clock, sessions, add } = make(2);
    const first = add('first');
    clock.now = 1_000;
    const second = add('second');
    clock.now = 60_500;
    expect(sessions.hasRoom(ada)).toBe(true);
    expect([first.closed, second.closed]).toEqual([1, 0]);
    add('third');
    expect(sessions.hasRoom(ada)).toBe(false);
    expect(sessions.size).toBe(2);
  });
});
