import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { platform } from 'node:process';
import { RuntimeError } from '../../core/errors.js';
import type { StdioDefinition } from '../../core/server.js';
import { childEnv } from './child-env.js';
import { contain } from './containers.js';
import { type Marker, ProcessFamily } from './process-family.js';
import { limitedCommand } from './resource-limits.js';
import { inBubblewrap, inContainer } from './sandbox.js';
import { explainSpawnError } from './start-failure.js';

export interface StartChildOptions {
  readonly marker: Marker;
  readonly baseEnv: Readonly<Record<string, string>>;
  /** Used where the definition names none. */
  readonly cwd?: string | undefined;
  /** Directories that no sandboxed server sees. */
  readonly hide?: readonly string[] | undefined;
  /** Where the ids of containers are kept until they are removed. */
  readonly containerDirectory?: string | undefined;
}

export interface StartedChild {
  readonly child: ChildProcessWithoutNullStreams;
  readonly pid: number;
  readonly family: ProcessFamily;
  /** Ends what the processes leave elsewhere (a container), after them. Never rejects. */
  readonly cleanUp: () => Promise<void>;
}

/**
 * Starts the program of a definition: no shell, three pipes, no other descriptor, an environment of its own, and
 * (not on Windows) a process group of its own, so that Ctrl-C at our terminal is not its business.
 * @throws RuntimeError SERVER_START_FAILED with the reason in plain words.
 */
export async function startChild(wanted: StdioDefinition, options: StartChildOptions): Promise<StartedChild> {
  const cwd = wanted.cwd ?? options.cwd;
  const place = { path: options.baseEnv['PATH'] ?? '', cwd, hide: options.hide ?? [] };
  const definition = inContainer(wanted, place);
  const env = childEnv(options.baseEnv, definition.env, options.marker);
  const refuse = (error: unknown) => {
    const { why, hint, errno, retryable } = explainSpawnError(error, definition, cwd, env['PATH'] ?? '');
    return new RuntimeError(
      'SERVER_START_FAILED',
      `The server "${definition.name}" could not be started: ${why}.`,
      {
        hint,
        retryable,
        data: { server: definition.name, phase: 'spawn', errno },
        cause: error,
      },
    );
  };
  const contained = await contain(definition, options.marker.value, env, options.containerDirectory);
  let child: ChildProcessWithoutNullStreams;
  try {
    const limited = limitedCommand(definition, contained?.args ?? definition.args, {
      path: place.path,
      childPath: env['PATH'] ?? '',
      cwd,
    });
    const { command, args } = inBubblewrap(definition, limited, place);
    child = spawn(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      shell: false,
      detached: platform !== 'win32',
      windowsHide: true,
    });
  } catch (error) {
    await contained?.remove();
    throw error instanceof RuntimeError ? error : refuse(error);
  }
  const { pid } = child;
  if (pid === undefined) {
    const error = await new Promise<Error>((resolve) => child.once('error', resolve));
    // Pipes of a child that never was.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
    await contained?.remove();
    throw refuse(error);
  }
  child.on('error', () => {});
  const family = new ProcessFamily(pid, options.marker);
  return { child, pid, family, cleanUp: async () => contained?.remove() };
}
