// What a client waits for at the beginning, against the same from a server that it starts itself.
import { quantile, ratio } from './lib/measure.mjs';
import { bare, everything, pause, place, timed } from './lib/place.mjs';
import { startClient } from './lib/raw-client.mjs';

const KNOWN = 10;
const hello = { message: 'hello' };

export async function run({ quick = false } = {}) {
  const rounds = quick ? 3 : 11;
  const samples = {};
  const note = (name, ms) => {
    samples[name] ??= [];
    samples[name].push(ms);
  };
  const here = await place({ bare });
  const many = await place(Object.fromEntries(Array.from({ length: KNOWN }, (_, n) => [`s${n}`, bare])));
  try {
    // What is known and compiled once: every later start of a user finds it so.
    await here.command('index');
    await many.command('index');
    for (const home of [here, many]) await untilSettled(home);
    for (let round = 0; round < rounds; round++) {
      await direct(note);
      await cold(here, note);
      await warm(here, note);
      await listAndSearch(many, note);
    }
  } finally {
    await Promise.all([here.remove(), many.remove()]);
  }
  return rows(samples);
}

/** A start and a call without us. */
async function direct(note) {
  for (const [name, file] of Object.entries({ bare, everything })) {
    const begun = performance.now();
    const server = await startClient(process.execPath, [file]);
    note(`${name} start`, performance.now() - begun);
    await server.call('echo', hello);
    note(`${name} start and call`, performance.now() - begun);
    await server.close();
  }
}

/** Nothing of ours runs; a front-end starts, and starts an engine, which starts the server. */
async function cold(here, note) {
  await here.stopEngine();
  const begun = performance.now();
  const front = await here.front();
  note('start, engine cold', performance.now() - begun);
  await front.execute('bare', 'echo', hello);
  note('start and call, engine cold', performance.now() - begun);
  // The engine goes on, its server does not.
  await front.call('manage_server', { server_name: 'bare', action: 'shutdown' });
  await front.close();
}

/** The engine runs, the server does not. */
async function warm(here, note) {
  const begun = performance.now();
  const front = await here.front();
  note('start', performance.now() - begun);
  await front.execute('bare', 'echo', hello);
  note('start and call, engine warm', performance.now() - begun);
  await front.call('manage_server', { server_name: 'bare', action: 'shutdown' });
  const { ms } = await timed(() => front.execute('bare', 'echo', hello));
  note('call of a stopped server', ms);
  await front.close();
}

/** Ten servers are known and none runs; none may be started by looking. */
async function listAndSearch(many, note) {
  await many.stopEngine();
  const front = await many.front();
  const begun = performance.now();
  await front.request('tools/list', {});
  await front.call('search_tools', { query: 'give back a text' });
  note('tools/list and first search, engine cold', performance.now() - begun);
  const other = await many.front();
  const { ms } = await timed(async () => {
    await other.request('tools/list', {});
    await other.call('search_tools', { query: 'give back a text' });
  });
  note('tools/list and first search, engine warm', ms);
  const { result } = await other.call('get_statistics', {});
  if (result.structuredContent.running !== 0) throw new Error('looking started a server');
  await Promise.all([front.close(), other.close()]);
}

/** A first start of each kind, long enough that what was compiled is kept. */
async function untilSettled(home) {
  await home.stopEngine();
  const front = await home.front();
  await front.call('search_tools', { query: 'echo' });
  const [name] = Object.keys(home.servers);
  await front.execute(name, 'echo', hello);
  await pause(6_000);
  await front.call('manage_server', { server_name: name, action: 'shutdown' });
  await front.close();
  await home.stopEngine();
}

function rows(samples) {
  const median = (name) => quantile(samples[name], 0.5);
  const row = (measure, against, target) => ({
    measure,
    direct: against === undefined ? '-' : `${median(against).toFixed(0)} ms`,
    ours: `${median(measure).toFixed(0)} ms`,
    ratio: against === undefined ? '' : ratio(median(measure), median(against)),
    target,
  });
  return [
    row('start', 'bare start', '2.5x'),
    row('start, engine cold', 'bare start', ''),
    row('start and call, engine cold', 'bare start and call', '4x'),
    row('start and call, engine warm', 'bare start and call', ''),
    row('call of a stopped server', 'bare start and call', '2.5x'),
    row('tools/list and first search, engine cold', undefined, ''),
    row('tools/list and first search, engine warm', undefined, '150 ms'),
    {
      measure: 'start of server-everything, for comparison',
      direct: `${median('everything start').toFixed(0)} ms`,
      ours: '-',
      ratio: '',
      target: '',
    },
  ];
}
