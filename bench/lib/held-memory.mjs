// What this process holds when all garbage is gone.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { memory } from './measure.mjs';

// The same as --expose-gc, without a flag that npm scripts would have to pass on.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** MiB: JavaScript objects and buffers that are still referred to, and what is resident. */
export async function heldMemory() {
  // Finalizers run between collections and free more; sockets and timers end in their own time.
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return { held: (heapUsed + external) / 1_048_576, rss: memory(process.pid).rss };
}
