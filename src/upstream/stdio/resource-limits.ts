import { platform } from 'node:process';
import { RuntimeError } from '../../core/errors.js';
import type { StdioDefinition } from '../../core/server.js';
import { locate } from './start-failure.js';

/** What is started instead of the command of a definition, so that its limits hold from its first instruction. */
export interface LimitedCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * Puts prlimit(1) before the command for what the kernel counts for each process (open files, size of a file); it
 * becomes the command by exec, so pid and pipes are the same. What a family takes together is watched instead:
 * RLIMIT_NPROC counts all processes of the user, RLIMIT_CPU ends who merely lives long.
 * @param args of the command, where they differ from those of the definition.
 * @param path PATH of the engine, where prlimit is looked for; `childPath` is that of the server.
 * @throws RuntimeError SERVER_START_FAILED where the limits cannot be kept.
 */
export function limitedCommand(
  definition: StdioDefinition,
  args: readonly string[],
  { path, childPath, cwd }: { path: string; childPath: string; cwd: string | undefined },
): LimitedCommand {
  const { name, command, limits } = definition;
  if (limits === undefined) return { command, args };
  const refuse = (why: string) =>
    new RuntimeError(
      'SERVER_START_FAILED',
      `The server "${name}" could not be started: its limits cannot be kept, since ${why}.`,
      {
        hint: 'Take "limits" and "memoryLimit" out of its definition, or run it in a container that has them.',
        retryable: false,
        data: { server: name, phase: 'spawn', errno: 'ENOTSUP' },
      },
    );
  if (platform !== 'linux') throw refuse('only Linux tells what processes take');
  const words = [
    ...(limits.openFiles === undefined ? [] : [`--nofile=${limits.openFiles}:${limits.openFiles}`]),
    ...(limits.fileBytes === undefined ? [] : [`--fsize=${limits.fileBytes}:${limits.fileBytes}`]),
  ];
  if (words.length === 0) return { command, args };
  const prlimit = locate('prlimit', undefined, path);
  if (prlimit === undefined) throw refuse('the program prlimit (of util-linux) is not installed');
  // A command that does not exist is told of in our own words.
  const program = locate(command, cwd, childPath);
  return program === undefined ? { command, args } : { command: prlimit, args: [...words, program, ...args] };
}
