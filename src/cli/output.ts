import { errorTable } from '../core/error-table.js';
import { RuntimeError } from '../core/errors.js';
import { printable } from '../lib/printable.js';
import { isDebugging } from './debug.js';

/** The only place that writes to stdout, besides the MCP face over stdio. */
export interface Output {
  /** One answer: the text for people, or the data with --json. */
  answer(text: string, data: unknown): Promise<void>;
  /** What happens meanwhile; goes to stderr. */
  note(text: string): void;
  /** Prints an error for people or as JSON. @returns the exit code of the error table. */
  failure(error: unknown): Promise<number>;
}

export function createOutput(options: { json: boolean }): Output {
  // Resolves when the text has left: the process may exit right after.
  const write = (text: string) =>
    new Promise<void>((resolve) => {
      process.stdout.write(text, () => resolve());
    });
  return {
    answer: (text, data) => write(options.json ? `${JSON.stringify(data)}\n` : `${text}\n`),
    note: (text) => {
      process.stderr.write(`${text}\n`);
    },
    failure: async (error) => {
      const known = error instanceof RuntimeError ? error : internal(error);
      if (options.json) await write(`${JSON.stringify({ error: known.toJSON() })}\n`);
      else process.stderr.write(`${describeError(known)}\n`);
      // What the message asks for: the place, for who mends it.
      if (known.code === 'INTERNAL' && isDebugging(process.argv) && error instanceof Error)
        process.stderr.write(`${printable(String(error.stack))}\n`);
      return errorTable[known.code].exit;
    },
  };
}

/** What happened, why, what to do next; with the last words of a server that died. */
function describeError(error: RuntimeError): string {
  const stderr = error.data?.['stderr'];
  const said =
    typeof stderr === 'string' && stderr !== '' && !error.message.includes(stderr)
      ? `\nIt said:\n${stderr}`
      : '';
  return printable(`${error.message}${said}${error.hint ? `\n${error.hint}` : ''}`);
}

function internal(error: unknown): RuntimeError {
  const message = error instanceof Error ? error.message : String(error);
  return new RuntimeError('INTERNAL', `Something went wrong in mcp-runtime: ${message}`, {
    hint: 'Run it again with LOG_LEVEL=debug and report what it says.',
    cause: error,
  });
}
