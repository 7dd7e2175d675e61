import { open, stat, unlink, utimes } from 'node:fs/promises';
import { RuntimeError } from '../core/errors.js';

/** A turn that its holder has not kept for so long is over: the holder was killed. */
const STALE_MS = 3_000;
const KEEP_MS = 500;

export interface Turn {
  /** Says that the holder is still at it. */
  keep(): Promise<void>;
  end(): Promise<void>;
}

/**
 * The turn to start an engine, so that of twenty front-ends one spawns. It is a courtesy: two that both believe to
 * have it start two engines, of which the lock lets one live.
 * @returns undefined while another has it.
 */
export async function takeTurn(path: string): Promise<Turn | undefined> {
  try {
    await (await open(path, 'wx', 0o600)).close();
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST')
      throw new RuntimeError('HOME_UNUSABLE', `${path} cannot be written: ${String(error)}.`, {
        cause: error,
      });
    const facts = await stat(path).catch(() => undefined);
    if (facts !== undefined && Date.now() - facts.mtimeMs > STALE_MS) await unlink(path).catch(() => {});
    return undefined;
  }
  let keptAt = performance.now();
  return {
    keep: async () => {
      if (performance.now() - keptAt < KEEP_MS) return;
      keptAt = performance.now();
      const now = new Date();
      await utimes(path, now, now).catch(() => {});
    },
    end: () => unlink(path).catch(() => {}),
  };
}
