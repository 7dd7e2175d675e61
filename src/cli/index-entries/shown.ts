import { createInterface } from 'node:readline/promises';
import type { RawEntry } from '../../config/import/raw-entry.js';
import { exact } from '../../lib/escape.js';

/** Where a placeholder names a variable that has to be set. */
const PLACEHOLDER = /\$\{(?:env:)?([A-Za-z_]\w*)\}/g;

/** What an entry would run or reach: nothing is cut off, and of variables and headers the names alone. */
export function entryLines(entry: RawEntry): string[] {
  const names = (label: string, values: Readonly<Record<string, string>> | undefined) =>
    values && Object.keys(values).length > 0
      ? [`  ${label}: ${Object.keys(values).map(exact).join(' ')}`]
      : [];
  return [
    ...(entry.command === undefined
      ? []
      : [`  runs: ${[entry.command, ...(entry.args ?? [])].map(exact).join(' ')}`]),
    ...(entry.cwd === undefined ? [] : [`  in: ${exact(entry.cwd)}`]),
    ...names('env', entry.env),
    ...(entry.url === undefined ? [] : [`  url: ${exact(entry.url)}${entry.type === 'sse' ? ' (SSE)' : ''}`]),
    ...names('headers', entry.headers),
    ...(entry.disabled ? ['  disabled'] : []),
  ];
}

/** Names of the variables that an entry takes from outside. */
export function variablesOf(entry: RawEntry): string[] {
  const texts = [
    entry.command,
    ...(entry.args ?? []),
    ...Object.values(entry.env ?? {}),
    entry.cwd,
    entry.url,
    ...Object.values(entry.headers ?? {}),
  ];
  const found = texts.flatMap((text) => [...(text ?? '').matchAll(PLACEHOLDER)].map(([, name = '']) => name));
  return [...new Set(found)];
}

/** Asks a person. Without a terminal nobody is there to say yes. */
export async function confirmed(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^\s*y(es)?\s*$/i.test(await prompt.question(`${question} [y/N] `));
  } finally {
    prompt.close();
  }
}
