import { readdirSync, readlinkSync } from 'node:fs';
import { expectNoProcess, type Marker } from './processes.js';

/** What must hold after every case, whatever the servers did (faults.md, "Oracles"). */
export interface Oracles {
  /** O3: wraps requests; each must be answered, and with its own answer where `own` says which that is. */
  readonly ledger: Ledger;
  /** O2: something that the engine answers by itself; asked three times, the best must be below a second. */
  health(probe: () => Promise<unknown>): void;
  /** O5: the descriptors of this process of ours besides the test's own. */
  watchDescriptors(pid: number): void;
  /** O6: what this process of ours writes to stderr. */
  watchStderr(text: () => string): void;
  /** Before the end of what is under test: O2, O3. */
  verifyAlive(): Promise<void>;
  /** After it: O1, O5, O6. */
  verifyGone(withinMs?: number): Promise<void>;
}

/** Each request gets exactly one answer, and that is its own. */
export class Ledger {
  #asked = 0;
  #answered = 0;
  readonly #crossed: string[] = [];

  async track<T>(answer: Promise<T>, own: (value: T) => boolean = () => true): Promise<T> {
    this.#asked += 1;
    try {
      const value = await answer;
      if (!own(value)) this.#crossed.push(JSON.stringify(value)?.slice(0, 200) ?? 'nothing');
      return value;
    } finally {
      // A refusal is an answer as well.
      this.#answered += 1;
    }
  }

  verify(): void {
    if (this.#crossed.length > 0) throw new Error(`answers of others: ${this.#crossed.join(', ')}`);
    if (this.#asked !== this.#answered)
      throw new Error(`${this.#asked - this.#answered} of ${this.#asked} requests have no answer`);
  }
}

/** Begins watching; to be called before the case starts anything. */
export function beginOracles(marker: Marker): Oracles {
  const ledger = new Ledger();
  const baselines = new Map<string, number>();
  const probes: (() => Promise<unknown>)[] = [];
  const stderrs: (() => string)[] = [];
  const faults: string[] = [];
  const onFault = (reason: unknown) => faults.push(String(reason));
  process.on('unhandledRejection', onFault);
  baselines.set('self', countDescriptors('self'));
  return {
    ledger,
    health: (probe) => probes.push(probe),
    watchDescriptors: (pid) => baselines.set(String(pid), countDescriptors(String(pid))),
    watchStderr: (text) => stderrs.push(text),
    verifyAlive: async () => {
      ledger.verify();
      for (const probe of probes) {
        const times: number[] = [];
        for (let i = 0; i < 3 && !times.some((ms) => ms < 1_000); i += 1) {
          const begun = performance.now();
          await probe();
          times.push(performance.now() - begun);
        }
        if (Math.min(...times) >= 1_000)
          throw new Error(`health took ${times.map(Math.round).join(', ')} ms`);
      }
      // Processes that end anyway have no baseline to come back to.
      for (const pid of baselines.keys()) if (pid !== 'self') await verifyDescriptors(pid, baselines);
    },
    verifyGone: async (withinMs = 2_000) => {
      process.off('unhandledRejection', onFault);
      await expectNoProcess(marker, withinMs);
      await verifyDescriptors('self', baselines);
      for (const text of stderrs) {
        const fault = /^.*(?:unhandled ?rejection|uncaught ?exception|MaxListenersExceeded).*$/im.exec(
          text(),
        );
        if (fault) faults.push(fault[0]);
      }
      if (faults.length > 0) throw new Error(`faults nobody handled: ${faults.join('; ')}`);
    },
  };
}

/** Sockets that a pool of connections keeps for a while are waited for. */
async function verifyDescriptors(pid: string, baselines: ReadonlyMap<string, number>): Promise<void> {
  const allowed = (baselines.get(pid) ?? 0) + 3;
  const until = Date.now() + 8_000;
  while (countDescriptors(pid) > allowed) {
    if (Date.now() > until)
      throw new Error(`${countDescriptors(pid)} descriptors, ${allowed} allowed: ${describe(pid)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function links(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

/** Without the event loop's own, which come into being at first use. */
function countDescriptors(pid: string): number {
  return links(pid).filter((link) => /^(?:pipe|socket):|^\//.test(link) && !link.startsWith('/dev/')).length;
}

const describe = (pid: string): string => links(pid).join(' ').slice(0, 1_000);
