// A server dies while it works: when its caller is told, and how long the next call takes.
import { fileURLToPath } from 'node:url';
import { quantile, ratio } from './lib/measure.mjs';
import { pause, place, timed } from './lib/place.mjs';
import { startClient } from './lib/raw-client.mjs';

const sleeping = fileURLToPath(new URL('./lib/sleeping-upstream.mjs', import.meta.url));

export async function run({ quick = false } = {}) {
  const rounds = quick ? 3 : 15;
  const here = await place({ bare: sleeping });
  const [told, next, direct] = [[], [], []];
  let lost = 0;
  try {
    const front = await here.front();
    for (let round = 0; round < rounds; round++) {
      const begun = performance.now();
      const server = await startClient(process.execPath, [sleeping]);
      await server.call('echo', { message: 'hello' });
      direct.push(performance.now() - begun);
      await server.close();

      await front.execute('bare', 'echo', { message: 'hello' });
      const pid = await pidOf(front);
      const answer = front
        .request('tools/call', {
          name: 'execute_tool',
          arguments: { server_name: 'bare', tool_name: 'sleep', arguments: { ms: 60_000 } },
        })
        .then(({ message }) => ({ message, at: performance.now() }));
      // It must have the call before it dies.
      await pause(100);
      const killed = performance.now();
      process.kill(pid, 'SIGKILL');
      const { message, at } = await answer;
      if (message.result?.isError !== true || at < killed)
        throw new Error(`not told: ${JSON.stringify(message)}`);
      told.push(at - killed);
      const again = () => front.execute('bare', 'echo', { message: 'again' });
      const { ms, value } = await timed(() => again().catch(() => undefined));
      next.push(ms);
      if (value === undefined) lost += 1;
      // So many deaths in a row would use up its restarts.
      await front.call('manage_server', { server_name: 'bare', action: 'shutdown' });
    }
    await front.close();
  } finally {
    await here.remove();
  }
  const median = (samples) => quantile(samples, 0.5);
  return [
    {
      measure: 'a server dies in a call: its caller is told after',
      direct: '-',
      ours: `${median(told).toFixed(1)} ms`,
      ratio: '',
      target: '10 ms',
    },
    {
      measure: 'the next call, with the new start',
      direct: `${median(direct).toFixed(0)} ms`,
      ours: `${median(next).toFixed(0)} ms`,
      ratio: ratio(median(next), median(direct)),
      target: '2x',
    },
    { measure: 'of those failed', direct: '-', ours: `${lost} of ${next.length}`, ratio: '', target: '0' },
  ];
}

async function pidOf(front) {
  const { result } = await front.call('list_running_servers', {});
  return result.structuredContent.servers[0].pid;
}
