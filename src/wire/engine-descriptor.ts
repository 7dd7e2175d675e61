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

/** Only for the holder of the lock. */
export async function removeDescriptor(directory: EngineDirectory): Promise<void> {
  await unlink(directory.descriptorPath).catch(() => {});
}
