import { RuntimeError } from '../../core/errors.js';
import type { ServerDefinition } from '../../core/server.js';
import { namesSecret } from '../import/secrets.js';
import { SECRET_NAME } from './secret-error.js';

const PLACEHOLDER = /\$\{secret:([^}]*)\}/g;

/** The names of secrets that a text asks for, each once. */
export function secretsIn(texts: Iterable<string>): string[] {
  const names = new Set<string>();
  for (const text of texts) for (const match of text.matchAll(PLACEHOLDER)) names.add(match[1] ?? '');
  return [...names];
}

/** The names of secrets that a definition needs to be started. Only the user's own file may name any. */
export function secretsOf(definition: ServerDefinition): string[] {
  if (definition.source !== 'file') return [];
  return secretsIn(
    definition.transport === 'stdio'
      ? Object.values(definition.env)
      : [definition.url, ...Object.values(definition.headers)],
  );
}

/** The definition with values in place of its placeholders: for a start, and for nothing that is kept or shown. */
export function withSecrets(
  definition: ServerDefinition,
  values: ReadonlyMap<string, string>,
): ServerDefinition {
  const fill = (text: string, encode = (value: string) => value) =>
    text.replace(PLACEHOLDER, (whole, name: string) => {
      const value = values.get(name);
      return value === undefined ? whole : encode(value);
    });
  const fillAll = (texts: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, fill(text)]));
  if (definition.transport === 'stdio') return { ...definition, env: fillAll(definition.env) };
  const url = fill(definition.url, encodeURIComponent);
  return { ...definition, url, headers: fillAll(definition.headers) };
}

/** Why a text of the servers file may not ask for secrets as it does; undefined when it may. */
export function secretMisuse(entry: {
  readonly exposed: Readonly<Record<string, readonly string[]>>;
  readonly all: readonly string[];
}): string | undefined {
  for (const [key, texts] of Object.entries(entry.exposed)) {
    if (secretsIn(texts).length > 0)
      return `a secret may not stand in "${key}", which every user of this machine can read while the server runs; put it into "env".`;
  }
  const bad = secretsIn(entry.all).find((name) => !SECRET_NAME.test(name));
  return bad === undefined ? undefined : `\${secret:${bad}} is no name of a secret.`;
}

/** The values of what a definition needs. @throws RuntimeError SERVER_NEEDS_AUTH that names server and secret. */
export async function readSecrets(
  definition: ServerDefinition,
  store: { get(name: string): Promise<string> },
): Promise<Map<string, string>> {
  const values = new Map<string, string>();
  for (const name of secretsOf(definition)) {
    try {
      values.set(name, await store.get(name));
    } catch (error) {
      throw cannotStart(definition.name, name, error);
    }
  }
  return values;
}

function cannotStart(server: string, secret: string, error: unknown): unknown {
  if (!(error instanceof RuntimeError)) return error;
  // The code by which a server waits for its user instead of being tried again and again.
  return new RuntimeError(
    'SERVER_NEEDS_AUTH',
    `The server "${server}" needs the secret ${secret}. ${error.message}`,
    {
      hint: error.hint,
      data: { ...error.data, server, secret },
      cause: error,
    },
  );
}

/** What is shorter, or a path, may well be a setting ("AUTH_MODE": "disabled"). */
const MIN_TELLING_CHARS = 16;

/** What a server must not repeat, by the name that is shown instead: its secrets, and values that look like some. */
export function concealedValues(
  definition: ServerDefinition,
  secrets: ReadonlyMap<string, string>,
): Map<string, string> {
  const texts = definition.transport === 'stdio' ? definition.env : definition.headers;
  const found = new Map<string, string>();
  for (const [name, text] of Object.entries(texts)) {
    // "Bearer" and its like stand before the secret.
    const value = text.trim().split(/\s+/).at(-1) ?? '';
    const isOther =
      value.includes('${') || value.length < MIN_TELLING_CHARS || /^\.{0,2}[/~\\]|:\/\//.test(value);
    if (!isOther && namesSecret(name, value)) found.set(name, value);
  }
  for (const [name, value] of secrets) found.set(name, value);
  return found;
}
