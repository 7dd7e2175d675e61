// What we hold, without what the servers hold: RSS and PSS of front-end and engine, MiB (Linux).
import { memory } from './lib/measure.mjs';
import { bare, pause, place } from './lib/place.mjs';

const MORE = 20;
const MIB = 1_048_576;
const hello = { message: 'hello' };

export async function run({ quick = false } = {}) {
  const rows = [];
  const names = Array.from({ length: 1 + MORE }, (_, n) => `s${n}`);
  const here = await place(Object.fromEntries(names.map((name) => [name, bare])));
  try {
    await here.command('index');
    // A start that is like every later one: nothing to learn, nothing to compile.
    await (await settled(here)).close();
    await here.stopEngine();
    const front = await here.front();
    await front.execute('s0', 'echo', hello);
    const pids = [front.pid, (await here.command('ps')).engine.pid];
    const used = async () => {
      // Until what is left behind was given back, which takes 15 s without a call.
      await pause(quick ? 1_000 : 18_000);
      const each = pids.map(memory);
      return { rss: each[0].rss + each[1].rss, pss: each[0].pss + each[1].pss, each };
    };
    const row = (measure, { rss, pss, each }, target) =>
      rows.push({
        measure,
        rss: Math.round(rss),
        pss: Math.round(pss),
        'front / engine': each.map((one) => one.rss.toFixed(0)).join(' / '),
        target,
      });
    const one = await used();
    row('front-end and engine, one server', one, '100 RSS, 45 PSS');

    for (const name of names.slice(1)) await front.execute(name, 'echo', hello);
    const many = await used();
    rows.push({
      measure: 'each further server',
      rss: ((many.rss - one.rss) / MORE).toFixed(2),
      pss: ((many.pss - one.pss) / MORE).toFixed(2),
      'front / engine': '',
      target: '0.5',
    });

    for (let call = 0; call < (quick ? 10 : 100); call++)
      await front.execute('s0', 'blob', { bytes: 10 * MIB });
    row('after 100 results of 10 MiB', await used(), '160 RSS');

    const calls = quick ? 1_000 : 10_000;
    for (let call = 0; call < calls; call++) await front.execute('s0', 'echo', hello);
    row(`after ${calls} more calls`, await used(), 'no more');
    await front.close();
  } finally {
    await here.remove();
  }
  return rows;
}

async function settled(here) {
  const front = await here.front();
  await front.execute('s0', 'echo', hello);
  await pause(6_000);
  return front;
}
