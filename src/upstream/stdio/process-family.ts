import { kill, pid as ownPid } from 'node:process';
import { sleep } from '../../lib/abort.js';
import { Breather } from '../../lib/breather.js';
import {
  environOf,
  isSameProcess,
  listPids,
  listProcesses,
  type ProcessFacts,
  readProcess,
  readProcessNow,
} from './process-table.js';

export interface Marker {
  readonly name: string;
  readonly value: string;
}

/** So many looks that found nobody are enough. */
const VAIN_LOOKS = 5;

/**
 * What belongs to a started server: its process group, its descendants, and whoever carries the marker in its
 * environment and is younger than the server. Never found by name. On systems without /proc the group alone.
 */
export class ProcessFamily {
  readonly #leader: number;
  readonly #marker: Marker;
  readonly #leaderFacts: ProcessFacts | undefined;
  readonly #known = new Map<number, ProcessFacts>();

  /**
   * @param leader pid of the child, which leads its own group and session. To be called in the tick of its start:
   * pid and start time are its only sure name.
   */
  constructor(leader: number, marker: Marker) {
    this.#leader = leader;
    this.#marker = marker;
    this.#leaderFacts = readProcessNow(leader);
  }

  /**
   * Living members, the leader included. Remembers them, so that who leaves the tree later is still known.
   * @param onFound hears of each as soon as it is known whose it is.
   */
  async members(onFound: (one: ProcessFacts) => void = () => {}): Promise<ProcessFacts[]> {
    const all = await listProcesses();
    // The newest first: a process that hands on to another is the soonest gone.
    all.reverse();
    const since = this.#leaderFacts?.startedAt ?? 0;
    const reused =
      this.#leaderFacts && all.some((one) => one.pid === this.#leader && one.startedAt !== since);
    const members = new Map<number, ProcessFacts>();
    const breather = new Breather();
    for (const one of all) {
      if (one.pid === ownPid || one.startedAt < since) continue;
      if (breather.isDue) await breather.pause();
      const remembered = this.#known.get(one.pid);
      const isLeader = one.pid === this.#leader && one.startedAt === since;
      const inGroup = !reused && (one.group === this.#leader || one.session === this.#leader);
      if (isLeader || inGroup || (remembered && isSameProcess(one, remembered)) || this.#isMarked(one)) {
        members.set(one.pid, one);
        if (!one.zombie) onFound(one);
      }
    }
    for (let grown = true; grown; ) {
      grown = false;
      for (const one of all) {
        if (members.has(one.pid) || !members.has(one.parent) || one.pid === ownPid) continue;
        members.set(one.pid, one);
        if (!one.zombie) onFound(one);
        grown = true;
      }
    }
    const living = [...members.values()].filter((one) => !one.zombie);
    for (const one of living) this.#known.set(one.pid, one);
    return living;
  }

  /**
   * Signals the leader's group at once. Only while the leader is not reaped: later its number may be another's.
   * @returns whether there is such a group (on Windows there is none).
   */
  signalGroup(signal: NodeJS.Signals): boolean {
    return send(-this.#leader, signal);
  }

  /** Signals members that are still who they were. */
  async signal(members: readonly ProcessFacts[], signal: NodeJS.Signals): Promise<void> {
    for (const one of members) if (isSameProcess(await readProcess(one.pid), one)) send(one.pid, signal);
  }

  /**
   * Ends all members: SIGTERM, then after `graceMs` SIGKILL, then again for what was started meanwhile.
   * @returns the pids that were left even then (a process that hangs in the kernel).
   */
  async end(graceMs: number, killMs: number): Promise<number[]> {
    if (!this.#leaderFacts) return this.#endGroup(graceMs);
    const { left, isSure } = await this.#look();
    if (isSure) return [];
    if (left.length > 0 && graceMs > 0) {
      await this.signal(left, 'SIGTERM');
      await this.#waitGone(left, graceMs);
    }
    return (await this.#kill(killMs)).map((one) => one.pid);
  }

  /**
   * Kills each as soon as it is found: by the end of a look, a process that is never the same for long has handed on to the
   * next. @returns who is left all the same.
   */
  async #kill(killMs: number): Promise<ProcessFacts[]> {
    const until = performance.now() + killMs;
    for (let vain = 0; ; ) {
      const { left, isSure } = await this.#look((one) => {
        if (isSameProcess(readProcessNow(one.pid), one)) send(one.pid, 'SIGKILL');
      });
      if (left.length === 0) vain += 1;
      // Where others start processes all the time, no look is ever sure.
      if (isSure || vain === VAIN_LOOKS || performance.now() >= until) return left;
      if (left.length > 0) await this.#waitGone(left, 100);
    }
  }

  /** That nobody is left is sure when a look finds nobody, and nothing was started while it looked. */
  async #look(onFound?: (one: ProcessFacts) => void): Promise<{ left: ProcessFacts[]; isSure: boolean }> {
    const before = new Set(await listPids());
    const left = await this.members(onFound);
    return { left, isSure: left.length === 0 && (await listPids()).every((pid) => before.has(pid)) };
  }

  /** Without /proc there is only the group. */
  async #endGroup(graceMs: number): Promise<number[]> {
    if (!send(-this.#leader, 'SIGTERM')) return [];
    for (const until = performance.now() + graceMs; performance.now() < until; ) {
      await sleep(50);
      if (!send(-this.#leader, 0)) return [];
    }
    send(-this.#leader, 'SIGKILL');
    return [];
  }

  async #waitGone(members: readonly ProcessFacts[], ms: number): Promise<ProcessFacts[]> {
    const until = performance.now() + ms;
    let left = [...members];
    for (let pause = 5; ; pause = Math.min(pause * 2, 50)) {
      const now = await Promise.all(left.map((one) => readProcess(one.pid)));
      left = left.filter((one, index) => isSameProcess(now[index], one));
      if (left.length === 0 || performance.now() >= until) return left;
      await sleep(pause);
    }
  }

  #isMarked({ pid }: ProcessFacts): boolean {
    return environOf(pid, this.#marker.name) === this.#marker.value;
  }
}

/** @returns whether the signal was delivered. */
export function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    kill(pid, signal);
    return true;
  } catch {
    // ESRCH: gone already. EPERM: changed its user; not ours to end.
    return false;
  }
}
