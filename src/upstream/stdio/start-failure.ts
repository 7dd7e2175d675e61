import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, resolve } from 'node:path';
import type { StdioDefinition } from '../../core/server.js';
import { oneLine } from '../../lib/printable.js';

/** Why a program could not be started, in plain words; `retryable` says whether trying again may help by itself. */
export interface StartFailure {
  readonly why: string;
  readonly hint: string;
  readonly errno: string;
  readonly retryable: boolean;
}

const busy = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM', 'ETXTBSY']);

/**
 * Finds out what an error of spawn meant. The system says ENOENT for a missing program, a missing working directory
 * and a missing interpreter alike, and EACCES for a directory.
 */
export function explainSpawnError(
  error: unknown,
  definition: StdioDefinition,
  cwd: string | undefined,
  path: string,
): StartFailure {
  const errno = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
  const { command } = definition;
  const failure = (why: string, hint: string, retryable = false): StartFailure => ({
    why,
    hint,
    errno,
    retryable,
  });
  if (busy.has(errno)) {
    return failure(
      `the system has no room for another process (${errno})`,
      'Stop other servers or raise the limits, then try again.',
      true,
    );
  }
  if (errno === 'ERR_INVALID_ARG_VALUE') {
    return failure(
      'its command, arguments, "cwd" or environment hold a character that no program can be given (NUL)',
      'Take it out of the definition.',
    );
  }
  const wrongPlace = cwd === undefined ? undefined : whyNoPlace(cwd);
  if (wrongPlace !== undefined) {
    return failure(
      `its working directory ${cwd} ${wrongPlace}`,
      'Correct "cwd" in the definition of the server.',
    );
  }
  const file = locate(command, cwd, path);
  if (file === undefined) {
    const where = command.includes('/') || isAbsolute(command) ? 'does not exist' : 'was not found in PATH';
    return failure(
      `the command "${oneLine(command, 300)}" ${where}`,
      'Install it, or write its full path into the definition.',
    );
  }
  if (kindOf(file) === 'directory') {
    return failure(`the command "${command}" is a directory`, 'Name the program inside it.');
  }
  if (errno === 'ENOENT') {
    return failure(
      `the program that ${file} names in its first line was not found`,
      'Install it, or name it as the command.',
    );
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    return failure(
      `the file ${file} is not executable`,
      `Make it executable (chmod +x), or name its interpreter as the command.`,
    );
  }
  if (errno === 'ENOEXEC')
    return failure(`${file} is no program for this machine`, 'Install the build for this system.');
  return failure(
    `the system refused it (${errno})`,
    'Check command, arguments and environment in the definition.',
  );
}

function whyNoPlace(cwd: string): string | undefined {
  const kind = kindOf(cwd);
  if (kind !== 'directory') return kind === 'missing' ? 'does not exist' : 'is not a directory';
  return isExecutable(cwd) ? undefined : 'may not be entered';
}

/** What cannot be looked at (a file in the place of a folder, a link to itself, a closed folder) is not there for us. */
function kindOf(path: string): 'missing' | 'directory' | 'file' {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file';
  } catch {
    return 'missing';
  }
}

/** Where the system would look; prefers what can be executed. */
export function locate(command: string, cwd: string | undefined, path: string): string | undefined {
  if (command === '') return undefined;
  const candidates = command.includes('/')
    ? [resolve(cwd ?? '.', command)]
    : path.split(delimiter).map((folder) => resolve(folder || '.', command));
  const existing = candidates.filter((file) => kindOf(file) !== 'missing');
  return existing.find(isExecutable) ?? existing[0];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
