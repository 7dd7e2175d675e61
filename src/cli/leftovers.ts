import type { Logger } from '../lib/log.js';
import { sweepContainers } from '../upstream/stdio/containers.js';
import { isOwnerGone, sweepOrphans } from '../upstream/stdio/orphans.js';
import { MARKER } from './marker.js';

export interface LeftoverOptions {
  /** What the marks of engines of this home begin with. */
  readonly mark: string;
  /** Where ids of containers are kept. */
  readonly containers: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly logger: Logger;
  /** How the engine before ended, where that is known. */
  readonly before?: 'killed' | 'in order' | undefined;
}

/**
 * Reading what every process of the machine was started with takes as long as many a server needs to start; where the engine
 * before ended in order, at most an embedded one that was killed has left something.
 */
const LATER_MS = 1_000;

/**
 * Ends what engines of this home left behind when they were killed.
 * @returns `untilSafe` resolves when a server may be started without meeting the one that an engine before was killed
 * with. It never rejects.
 */
export function endLeftovers(options: LeftoverOptions): {
  readonly untilSafe: Promise<void>;
  /** Does not begin any more. */
  stop(): void;
} {
  if (options.before === 'in order') {
    const timer = setTimeout(() => void sweep(options), LATER_MS).unref();
    return { untilSafe: Promise.resolve(), stop: () => clearTimeout(timer) };
  }
  const swept = sweep(options);
  return { untilSafe: options.before === 'killed' ? swept : Promise.resolve(), stop: () => {} };
}

async function sweep({ mark, containers, environment, logger }: LeftoverOptions): Promise<void> {
  const orphans = sweepOrphans(MARKER, {
    isOurs: async (value) => value.startsWith(`${mark}.`) && (await isOwnerGone(value)),
  }).then((ended) => {
    if (ended.length > 0)
      logger.warn({ pids: ended }, 'ended what an engine that was killed had left behind');
  });
  const removed = sweepContainers(containers, environment).then((count) => {
    if (count > 0)
      logger.warn({ count }, 'removed containers that an engine that was killed had left behind');
  });
  for (const { status, ...result } of await Promise.allSettled([orphans, removed]))
    if (status === 'rejected') logger.error(result, 'what an engine had left behind could not be looked for');
}
