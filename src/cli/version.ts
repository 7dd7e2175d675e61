import { readFileSync } from 'node:fs';
import { packageFile } from '../lib/package-file.js';

let known: string | undefined;

/** The version of the package, from its package.json. */
export function packageVersion(): string {
  known ??= (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version;
  return known;
}
