import { RuntimeError } from '../core/errors.js';

/**
 * The arguments of `call`: `key=value` words, whose values are JSON where they can be, over those of --arguments.
 * @throws RuntimeError INVALID_ARGUMENTS for a word without `=` or text that is no JSON object.
 */
export function toolArguments(words: readonly string[], json: string | undefined): Record<string, unknown> {
  const collected: Record<string, unknown> = json === undefined ? {} : parseObject(json);
  for (const word of words) {
    const at = word.indexOf('=');
    if (at <= 0) {
      throw new RuntimeError('INVALID_ARGUMENTS', `"${word}" is not of the form name=value.`, {
        hint: 'Write name=value for each argument, or --arguments with a JSON object.',
      });
    }
    const value = word.slice(at + 1);
    try {
      collected[word.slice(0, at)] = JSON.parse(value) as unknown;
    } catch {
      collected[word.slice(0, at)] = value;
    }
  }
  return collected;
}

function parseObject(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Told below, like everything else that is no object.
  }
  throw new RuntimeError('INVALID_ARGUMENTS', '--arguments is not a JSON object.', {
    hint: `Write it like --arguments '{"message": "hi"}'.`,
  });
}
