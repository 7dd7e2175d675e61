import { RuntimeError } from '../core/errors.js';
import { readDescriptor } from './engine-descriptor.js';
import type { EngineDirectory } from './engine-directory.js';

export interface EngineLock {
  /** Lets the next engine in. Idempotent. */
  release(): void;
}

/**
 * Takes the one place for an engine of this home, or says who has it.
 *
 * The lock is SQLite's on a file of its own: Node has no flock, and SQLite's is the operating system's (fcntl, LockFileEx).
 * It ends with the process, however that ends, so nothing is ever stale, no pid can be taken for another's, and two
 * that come at once cannot both win. The file stays: removing it would let in one who still has it open.
 * @throws RuntimeError ENGINE_UNAVAILABLE, `data.reason` "running", when another engine has it.
 */
export async function acquireEngineLock(directory: EngineDirectory): Promise<EngineLock> {
  // A front-end never takes the lock, so it need not load the database.
  const { lockFile } = await import('../lib/sqlite.js');
  const release = lockFile(directory.lockPath);
  if (release === undefined) {
    const holder = await readDescriptor(directory);
    const who = holder === undefined ? '' : ` (pid ${holder.pid}, version ${holder.version})`;
    throw new RuntimeError('ENGINE_UNAVAILABLE', `An engine of this home is already running${who}.`, {
      hint: 'Join it, stop it with mcp-runtime engine stop, or set another MCP_RUNTIME_HOME.',
      data: { reason: 'running', ...(holder === undefined ? {} : { pid: holder.pid }) },
    });
  }
  let held = true;
  return {
    release: () => {
      if (!held) return;
      held = false;
      release();
    },
  };
}
