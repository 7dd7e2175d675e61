// A soak: good servers and hostile ones behind one engine, many clients, a fault every few seconds.
//
//   node bench/soak.mjs [--minutes 10] [--clients 50] [--good 20] [--rate 200] [--json]
//       Two runs of half the time each: the good servers alone, then beside the hostile ones, with the same faults.
//   node bench/soak.mjs cycles [--count 1000]
//       So many starts and stops of each transport, and clients of the engine that come, call and go; what is held
//       after forced collections must stay.
//
// Exit code 1 when an answer was lost or crossed, something was left behind, or the good servers paid for the others.
import { parseArgs } from 'node:util';
import { clientCycles } from './lib/client-cycles.mjs';
import { cycles } from './lib/cycles.mjs';
import { quantile } from './lib/measure.mjs';
import { soakRun } from './lib/soak-run.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '10' },
    clients: { type: 'string', default: '50' },
    good: { type: 'string', default: '20' },
    rate: { type: 'string', default: '200' },
    count: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const say = (text) => process.stderr.write(`${text}\n`);
const ms = (value) => `${value.toFixed(1)} ms`;

async function soak() {
  const options = {
    ms: (Number(values.minutes) * 60_000) / 2,
    clients: Number(values.clients),
    good: Number(values.good),
    rate: Number(values.rate),
    say,
  };
  const faults = [];
  const alone = await soakRun({ ...options, hostile: false });
  const beside = await soakRun({ ...options, hostile: true });
  const p99 = { alone: quantile(alone.latencies, 0.99), beside: quantile(beside.latencies, 0.99) };
  for (const [name, run] of Object.entries({ alone, beside })) {
    say(
      `${name}: ${run.latencies.length} good calls, p50 ${ms(quantile(run.latencies, 0.5))}, p99 ${ms(p99[name])}; ` +
        `${run.hostileCalls} hostile calls; ${run.faults} faults; refused ${JSON.stringify(run.refused)}; ` +
        `memory ${run.memory.map((mib) => mib.toFixed(0)).join(' ')} MiB; descriptors ${run.descriptors.join(' to ')}`,
    );
    if (run.lost > 0) faults.push(`${name}: ${run.lost} calls without an answer`);
    if (run.crossed > 0) faults.push(`${name}: ${run.crossed} answers of others`);
    if (run.left.length > 0) faults.push(`${name}: processes left behind: ${run.left.join(', ')}`);
    if (run.descriptors[1] > run.descriptors[0] + 10)
      faults.push(`${name}: descriptors grew from ${run.descriptors.join(' to ')}`);
  }
  const ratio = p99.beside / p99.alone;
  say(`p99 of the good servers beside the hostile ones: ${ratio.toFixed(2)} times`);
  if (ratio >= 2) faults.push(`the good servers pay for the hostile ones: p99 ${ratio.toFixed(2)} times`);
  if (values.json) process.stdout.write(`${JSON.stringify({ p99, ratio, faults })}\n`);
  return faults;
}

async function allCycles() {
  const options = { count: Number(values.count), say };
  return [...(await clientCycles(options)), ...(await cycles(options))];
}

const faults = positionals[0] === 'cycles' ? await allCycles() : await soak();
for (const fault of faults) say(`FAULT ${fault}`);
process.exitCode = faults.length > 0 ? 1 : 0;
