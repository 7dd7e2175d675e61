import type { JSONRPCMessage } from '@modelcontextprotocol/server';
import { describe, expect, it } from 'vitest';
import { EventLog } from './event-log.js';

const message = (text: string): JSONRPCMessage => ({ jsonrpc: '2.0', method: 'm', params: { text } });

async function replay(events: ReturnType<EventLog['forSession']>, after: string): Promise<unknown[]> {
  const sent: unknown[] = [];
  await events.replayEventsAfter(after, {
    send: async (_id, one) => {
      sent.push(one);
    },
  });
  return sent;
}

describe('EventLog', () => {
  it('replays what came later on the same stream', async () => {
    const events = new EventLog(100_000).forSession();
    const first = await events.storeEvent('a', {} as JSONRPCMessage);
    await events.storeEvent('b', message('of another stream'));
    const second = await events.storeEvent('a', message('one'));
    await events.storeEvent('a', message('two'));
    expect(await replay(events, first)).toEqual([message('one'), message('two')]);
    expect(await replay(events, second)).toEqual([message('two')]);
    expect(await events.getStreamIdForEventId?.(second)).toBe('a');
  });

  it('gives nothing to another session', async () => {
    const log = new EventLog(100_000);
    const mine = await log.forSession().storeEvent('a', message('mine'));
    const other = log.forSession();
    expect(await other.getStreamIdForEventId?.(mine)).toBeUndefined();
    await expect(replay(other, mine)).rejects.toThrow();
  });

  it('keeps no more than its budget, the latest first, and nothing of a session that ended', async () => {
    const log = new EventLog(6_500);
    const [one, two] = [log.forSession(), log.forSession()];
    const old = await one.storeEvent('a', message('x'.repeat(500)));
    const young = await two.storeEvent('a', message('x'.repeat(500)));
    for (let n = 0; n < 3; n += 1) await two.storeEvent('a', message('x'.repeat(300)));
    expect(await one.getStreamIdForEventId?.(old)).toBeUndefined();
    expect(await two.getStreamIdForEventId?.(young)).toBe('a');
    const huge = await one.storeEvent('a', message('x'.repeat(10_000)));
    expect(await one.getStreamIdForEventId?.(huge)).toBeUndefined();
    expect(await two.getStreamIdForEventId?.(young)).toBe('a');
    two.clear();
    expect(await two.getStreamIdForEventId?.(young)).toBeUndefined();
  });
});
