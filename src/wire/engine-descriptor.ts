import { constants } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileAtomic } from '../lib/atomic-file.js';
import type { EngineDirectory } from './engine-directory.js';

const descriptor = z.object({
  pid: z.int(),
  version: z.string(),
  protocol: z.int(),
  /** Ms since the epoch. */
  startedAt: z.number(),
  /** Where it listens, best first; none while it starts. */
  addresses: z.array(z.string()),
});

/** What an engine tells of itself to those who look for it. It may be gone: only a welcome proves that it is there. */
export type EngineDescriptor = z.output<typeof descriptor>;

const MAX_BYTES = 64 * 1024;

/** What `engine.json` says; undefined when there is none that can be read. A link is not followed. */
export async function readDescriptor(directory: EngineDirectory): Promise<EngineDescriptor | undefined> {
  try {
    const file = await open(directory.descriptorPath, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
    try {
      const { size } = await file.stat();
      if (size > MAX_BYTES) return undefined;
      return descriptor.safeParse(JSON.parse(await file.readFile('utf8'))).data;
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

/** Only for the holder of the lock. Mode 0600. */
export async function writeDescriptor(directory: EngineDirectory, facts: EngineDescriptor): Promise<void> {
  await writeFileAtomic(directory.descriptorPath, `${JSON.stringify(facts)}\n`, { sync: false });
}

/** Between two looks whether it is still there, ms. */
const LOOK_MS = 1_000;

/**
 * Writes it, and again when it is gone: an engine of an older version may remove that of its successor on its way out, and
 * people clear directories. An engine that nobody finds would keep every other out. Only for the holder of the lock.
 * @param onOther hears at each look that another engine's stands there.
 * @returns how to leave it alone from then on; that resolves when nothing is being written any more.
 */
export async function keepDescriptor(
  directory: EngineDirectory,
  facts: EngineDescriptor,
  onOther: () => void = () => {},
): Promise<{ stop(): Promise<void> }> {
  await writeDescriptor(directory, facts);
  let over = false;
  let looking = Promise.resolve();
  const look = async () => {
    // Another's stands there only where somebody removed the lock together with the directory: it is left to it.
    if (over) return;
    const found = await readDescriptor(directory);
    if (found !== undefined) {
      if (!over && (found.pid !== facts.pid || found.startedAt !== facts.startedAt)) onOther();
      return;
    }
    // A full disk: the next look tries again.
    await writeDescriptor(directory, facts).catch(() => {});
  };
  const timer = setInterval(() => {
    looking = looking.then(look);
  }, LOOK_MS).unref();
  return {
    stop: () => {
      over = true;
      clearInterval(timer);
      return looking;
    },
  };
}

/** Removes it where it is the one of this engine. */
export async function removeDescriptor(
  directory: EngineDirectory,
  { pid, startedAt }: Pick<EngineDescriptor, 'pid' | 'startedAt'>,
): Promise<void> {
  const found = await readDescriptor(directory);
  if (found?.pid === pid && found.startedAt === startedAt)
    await unlink(directory.descriptorPath).catch(() => {});
}
