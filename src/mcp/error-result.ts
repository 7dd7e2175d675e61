import { RuntimeError, type RuntimeErrorJson } from '../core/errors.js';
import type { CallToolResult } from '../core/upstream.js';
import { cut, lastLines, printable } from '../lib/printable.js';

/** A model pays for each word, and the first lines say what matters. */
const MAX_TEXT_BYTES = 2_048;
const MAX_STDERR_BYTES = 700;
/** For programs; the whole of a long stderr stays in the log. */
const MAX_DATA_STDERR_BYTES = 4_096;

/** A failure as a tool's result: what happened and why, what to do next, and the same as data for programs. */
export function errorResult(error: RuntimeError): CallToolResult {
  return {
    content: [{ type: 'text', text: errorText(error) }],
    structuredContent: { error: errorData(error) },
    isError: true,
  };
}

/** What leaves this process of an error that nobody foresaw: neither its text nor its stack. */
export function unexpected(error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  return new RuntimeError('INTERNAL', 'Something went wrong inside mcp-runtime itself.', {
    hint: 'The log of mcp-runtime says more. Trying the same again is unlikely to help.',
    cause: error,
  });
}

function errorText(error: RuntimeError): string {
  const stderr = stderrOf(error);
  const tail = stderr === undefined ? '' : lastLines(stderr, MAX_STDERR_BYTES);
  const hint = error.hint === undefined ? '' : `\nNext: ${printable(error.hint)}`;
  const before = cut(printable(error.message), MAX_TEXT_BYTES / 2);
  const shown = tail === '' ? '' : `\nLast lines of its stderr:\n${tail}`;
  return before + shown + cut(hint, MAX_TEXT_BYTES - bytes(before) - bytes(shown));
}

function errorData(error: RuntimeError): RuntimeErrorJson {
  const { message, hint, ...facts } = error.toJSON();
  // What the model asked for is repeated in both, and may hold what somebody hid in it.
  const json = {
    ...facts,
    message: printable(message),
    ...(hint === undefined ? {} : { hint: printable(hint) }),
  };
  const stderr = stderrOf(error);
  if (stderr === undefined) return json;
  return { ...json, data: { ...json.data, stderr: lastLines(stderr, MAX_DATA_STDERR_BYTES) } };
}

function stderrOf(error: RuntimeError): string | undefined {
  const stderr = error.data?.['stderr'];
  return typeof stderr === 'string' && stderr.trim() !== '' ? stderr : undefined;
}

const bytes = (text: string) => Buffer.byteLength(text, 'utf8');
