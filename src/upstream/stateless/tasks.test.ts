import { describe, expect, it } from 'vitest';
import { Payload } from '../../core/payload.js';
import { untilTaskEnds } from './tasks.js';

const json = (text: string): Payload => Payload.fromBytes(Buffer.from(text));
const text = ({ bytes }: Payload): string => Buffer.from(bytes).toString('utf8');
const CREATED = '{"resultType":"task","taskId":"t","status":"completed"}';

/** @param answers of the server, in turn. */
function call(answer: string, answers: readonly string[] = [], method = 'tools/call') {
  const sent: string[] = [];
  const result = untilTaskEnds(json(answer), {
    server: 's',
    method,
    client: undefined,
    request: { signal: new AbortController().signal, timeoutMs: 5_000 },
    begun: performance.now(),
    isOpen: () => true,
    send: async (asked) => {
      sent.push(asked);
      return json(answers[sent.length - 1] ?? '{}');
    },
  });
  return { sent, result };
}

describe('a call that may become a task', () => {
  it('leaves every other answer alone', async () => {
    for (const answer of [
      '{"content":[]}',
      '{"content":[],"structuredContent":{"resultType":"task"}}',
      '{"task":1}',
    ]) {
      const { sent, result } = call(answer);
      expect(text(await result)).toBe(answer);
      expect(sent).toEqual([]);
    }
  });

  it('gives the result of the task as it came', async () => {
    const result = '{ "content": [], "structuredContent": {"n": 12345678901234567890, "x": 1.0} }';
    const ended = call(CREATED, [`{"taskId":"t", "status":"completed", "result": ${result} , "ttlMs":null}`]);
    expect(text(await ended.result)).toBe(result);
    expect(ended.sent).toEqual(['tasks/get']);
  });

  it('refuses a task without an id, of another request than a call, or with a result that is none', async () => {
    const broken = { code: 'UPSTREAM_PROTOCOL' };
    await expect(call('{"resultType":"task"}').result).rejects.toMatchObject(broken);
    await expect(call(CREATED, [], 'prompts/get').result).rejects.toMatchObject(broken);
    for (const result of ['"done"', 'null', '[1]'])
      await expect(call(CREATED, [`{"status":"completed","result":${result}}`]).result).rejects.toMatchObject(
        broken,
      );
  });
});
