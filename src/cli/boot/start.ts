import { Console } from 'node:console';
import { loadCommand } from './load-command.js';

/** @public For bin.ts. Loads the command from `directory` and runs it. @returns the exit code. */
export function start(directory: string, argv: readonly string[]): Promise<number> {
  keepStdoutClean();
  return loadCommand(directory, argv).main(argv);
}

/**
 * A library that prints must not end up between the JSON-RPC lines on stdout. To be called before the command is loaded.
 * The console is made when it is first used: the streams behind it cost a start some milliseconds.
 */
function keepStdoutClean(): void {
  let ours: Console | undefined;
  Object.defineProperty(globalThis, 'console', {
    configurable: true,
    get: () => {
      ours ??= new Console(process.stderr, process.stderr);
      return ours;
    },
    set: (other: Console) => {
      ours = other;
    },
  });
}
