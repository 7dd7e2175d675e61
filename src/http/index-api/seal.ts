import { z } from 'zod';
import { RuntimeError } from '../../core/errors.js';
import { decryptFernet, encryptFernet, FernetError, resemblesFernet } from '../../lib/fernet.js';

/** How to start or reach a server. `timeout` in seconds. */
export type Startup = StdioStartup | HttpStartup;

export interface StdioStartup {
  readonly transport: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeout: number;
}

export interface HttpStartup {
  readonly transport: 'http';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
}

/** The form in which a startup is stored. */
export interface SealedStartup {
  readonly transport: Startup['transport'];
  readonly timeout: number;
  /** A Fernet token of the JSON of everything else; that JSON itself where there is no key. */
  readonly config: string;
}

const texts = z.record(z.string(), z.string());
const stdioConfig = z.object({
  args: z.array(z.string()).default([]),
  command: z.string().min(1),
  env: texts.default({}),
});
const httpConfig = z.object({ headers: texts.default({}), url: z.string().min(1) });

/** @throws RuntimeError CONFIG_INVALID when the key is no Fernet key. */
export function sealStartup(startup: Startup, key: string | undefined): SealedStartup {
  const { transport, timeout, ...secret } = startup;
  const text = sortedJson(secret);
  if (key === undefined) return { transport, timeout, config: text };
  try {
    return { transport, timeout, config: encryptFernet(text, key) };
  } catch (error) {
    throw new RuntimeError('CONFIG_INVALID', 'ENCRYPTION_KEY is no Fernet key.', {
      hint: 'It is the url-safe base64 of 32 random bytes.',
      cause: error,
    });
  }
}

/**
 * The startup as it was before it was sealed.
 * @throws RuntimeError FORBIDDEN when it is encrypted and the key is missing or another one; STORAGE_FAILED when what
 * is stored is none.
 */
export function openStartup(sealed: SealedStartup, key: string | undefined): Startup {
  const text = resemblesFernet(sealed.config) ? decrypt(sealed.config, key) : sealed.config;
  try {
    const json: unknown = JSON.parse(text);
    const { timeout } = sealed;
    if (sealed.transport === 'http') return { transport: 'http', timeout, ...httpConfig.parse(json) };
    return { transport: 'stdio', timeout, ...stdioConfig.parse(json) };
  } catch {
    // The cause would quote what stands in the text, secrets included.
    throw new RuntimeError('STORAGE_FAILED', 'The stored startup configuration is damaged.', {
      hint: 'Add the server again.',
      retryable: false,
    });
  }
}

/** Whether two startups are the same, whatever the order of their keys. */
export function sameStartup(one: Startup, other: Startup): boolean {
  return sortedJson(one) === sortedJson(other);
}

function decrypt(token: string, key: string | undefined): string {
  try {
    if (key !== undefined) return decryptFernet(token, key).toString('utf8');
  } catch (error) {
    if (!(error instanceof FernetError)) throw error;
  }
  throw new RuntimeError(
    'FORBIDDEN',
    key === undefined
      ? 'The startup configuration is encrypted: the request needs the header X-Encryption-Key.'
      : 'The startup configuration cannot be decrypted with this key.',
  );
}

function sortedJson(value: object): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
