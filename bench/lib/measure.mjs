import { readFileSync } from 'node:fs';

/** The value below which the share `q` of the samples lies. */
export function quantile(samples, q) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

/** Milliseconds of each of `count` calls, one after the other. */
export async function latencies(call, count) {
  const samples = [];
  for (let i = 0; i < count; i++) {
    const begun = performance.now();
    await call(i);
    samples.push(performance.now() - begun);
  }
  return samples;
}

/** Calls per second with `inFlight` at once. */
export async function throughput(call, count, inFlight) {
  const begun = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (count / (performance.now() - begun)) * 1000;
}

/** Proportional and resident memory of one process in MiB (Linux). */
export function memory(pid) {
  const read = (file, name) =>
    Number(
      new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1] ?? 0,
    ) / 1024;
  return { rss: read('status', 'VmRSS'), pss: read('smaps_rollup', 'Pss') };
}

/** CPU time of processes with all their threads, ms (Linux, to the hundredth of a second). */
export function cpu(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * 10;
}

export const ratio = (a, b) => `${(a / b).toFixed(2)}x`;
export const micros = (ms) => `${(ms * 1000).toFixed(0)} µs`;
