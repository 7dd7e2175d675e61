import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin } from './runtime.js';

/** A value that stands nowhere else, with characters that JSON and URLs write in another way. */
export const canary = (name: string): string => `cnry-${name}/"${randomBytes(12).toString('base64')}"+é`;

/** All the forms in which a value may be found again. */
function formsOf(secret: string): string[] {
  const raw = Buffer.from(secret);
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    JSON.stringify(JSON.stringify(secret).slice(1, -1)).slice(1, -1),
    encodeURIComponent(secret),
    raw.toString('hex'),
    raw.toString('base64'),
    raw.toString('base64').replace(/=+$/, ''),
    raw.toString('base64url'),
    // Without what stands at the ends, which depends on what is beside it in base64.
    Buffer.from(`:${secret}`).toString('base64').slice(2, -4),
    Buffer.from(`::${secret}`).toString('base64').slice(3, -4),
  ];
}

/** O4: where one of the values stands in a text. */
export function leaksIn(text: string, secrets: readonly string[], spelt = (form: string) => form): string[] {
  return secrets.flatMap((secret) =>
    formsOf(secret)
      .filter((form) => text.includes(spelt(form)))
      .map((form) => `${secret.slice(0, 12)}… as ${form.slice(0, 20)}…`),
  );
}

/** O4: files under a directory that hold one of the values. */
export function leaksUnder(directory: string, secrets: readonly string[]): string[] {
  // Files are searched byte by byte, each as a character.
  const latin1 = (form: string) => Buffer.from(form, 'utf8').toString('latin1');
  return filesUnder(directory).flatMap((file) =>
    leaksIn(readFileSync(file).toString('latin1'), secrets, latin1).map((leak) => `${file}: ${leak}`),
  );
}

function filesUnder(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    const facts = lstatSync(path);
    if (facts.isDirectory()) return filesUnder(path);
    return facts.isFile() ? [path] : [];
  });
}

export interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program with something on its standard input. */
export function runWith(
  input: string | Buffer,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  program = bin,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { env, stdio: 'pipe' });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8');
    });
    child.stdin.on('error', () => {});
    child.once('error', reject);
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, stdout, stderr }));
    child.stdin.end(input);
  });
}
