import type { JSONPathEnvironment, JSONValue } from 'json-p3';
import { RE2JS } from 're2js';
import { RuntimeError } from '../core/errors.js';
import { outlineValue } from './outline.js';

interface JsonPathAnswer {
  /** One value, or an array with one value on each line. */
  readonly text: string;
  /** How many values the path names. */
  readonly matches: number;
  /** The shape of the whole; only when nothing was found. */
  readonly outline?: string | undefined;
}

const MAX_PATH = 1000;

let loading: Promise<JSONPathEnvironment> | undefined;

/** Loaded on first need: it takes 0.1 s. */
function environment(): Promise<JSONPathEnvironment> {
  loading ??= import('json-p3').then(({ FunctionExpressionType, JSONPathEnvironment }) => {
    const made = new JSONPathEnvironment({ maxRecursionDepth: 1000 });
    // The library's own match() and search() use a backtracking engine, which `(a+)+$` brings to a standstill.
    for (const name of ['match', 'search'] as const) {
      const compile = remembering();
      made.functionRegister.set(name, {
        argTypes: [FunctionExpressionType.ValueType, FunctionExpressionType.ValueType],
        returnType: FunctionExpressionType.LogicalType,
        call: (text: unknown, pattern: unknown) => linearMatch(name, compile, text, pattern),
      });
    }
    return made;
  });
  return loading;
}

/** A filter asks for the same pattern at every item. */
function remembering(): (pattern: string) => RE2JS {
  let last: { pattern: string; compiled: RE2JS } | undefined;
  return (pattern) => {
    if (last?.pattern !== pattern) last = { pattern, compiled: RE2JS.compile(pattern) };
    return last.compiled;
  };
}

/** RFC 9535: what is no string or no pattern matches nothing. */
function linearMatch(
  how: 'match' | 'search',
  compile: (pattern: string) => RE2JS,
  text: unknown,
  pattern: unknown,
): boolean {
  if (typeof text !== 'string' || typeof pattern !== 'string') return false;
  try {
    const compiled = compile(pattern);
    return how === 'match' ? compiled.matches(text) : compiled.test(text);
  } catch {
    return false;
  }
}

/**
 * Applies a JSONPath (RFC 9535) to a JSON text, or to the array of its lines when it is JSON Lines.
 * @throws RuntimeError INVALID_ARGUMENTS when the path or the text is not what it should be.
 */
export async function queryJson(text: string, path: string): Promise<JsonPathAnswer> {
  if (path.length > MAX_PATH) {
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `json_path may have ${MAX_PATH} characters, not ${path.length}.`,
    );
  }
  const value = parseJson(text);
  const env = await environment();
  let found: JSONValue[];
  try {
    found = env.query(path, value).values();
  } catch (error) {
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `json_path cannot be used: ${error instanceof Error ? error.message : error}.`,
      {
        hint: `JSONPath as in RFC 9535, e.g. $.items[*].name or $.items[?@.id == 7]. The content is ${outlineValue(value)}.`,
        cause: error,
      },
    );
  }
  if (found.length === 0) return { text: '[]', matches: 0, outline: outlineValue(value) };
  const [only] = found;
  return {
    text: found.length === 1 ? print(only) : `[\n${found.map(print).join(',\n')}\n]`,
    matches: found.length,
  };
}

function print(value: JSONValue | undefined): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (error) {
    throw new RuntimeError('INVALID_ARGUMENTS', 'What the path names is nested too deeply to be shown.', {
      hint: 'Name a deeper part of it, or read it with chunk_index.',
      cause: error,
    });
  }
}

function parseJson(text: string): JSONValue {
  try {
    return JSON.parse(text) as JSONValue;
  } catch (error) {
    try {
      const lines = text.split('\n').filter((line) => line.trim() !== '');
      if (lines.length > 1) return lines.map((line) => JSON.parse(line) as JSONValue);
    } catch {
      // Neither JSON nor JSON Lines: the first error says where.
    }
    throw new RuntimeError('INVALID_ARGUMENTS', `The content is not JSON: ${(error as Error).message}.`, {
      hint: 'Use search or lines for text.',
      cause: error,
    });
  }
}
