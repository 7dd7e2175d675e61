import { readFileSync } from 'node:fs';

let known: string | undefined;

/** The version of the package, from its package.json: two levels up both in `src` and in `dist`. */
export function packageVersion(): string {
  known ??= (
    JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  ).version;
  return known;
}
