import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '../../core/errors.js';
import { writeFileAtomic } from '../../lib/atomic-file.js';
import { withFileLock } from '../../lib/file-lock.js';
import { sha256 } from '../../lib/hash.js';
import { KeyError, newKey, readKeyFile, writeKeyFile } from '../../lib/key-file.js';
import { ensurePrivateDir } from '../../lib/private-dir.js';
import { seal, unseal } from '../../lib/sealed-box.js';

/** What is kept for one server. */
export interface Grant {
  readonly tokenEndpoint: string;
  readonly resource: string;
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
  /** How the secret is shown. Default: in the form. */
  readonly authMethod?: 'client_secret_basic' | 'client_secret_post' | undefined;
  /** What was asked for, and what the server said since that it wants to see. */
  readonly scopes?: readonly string[] | undefined;
  readonly accessToken?: string | undefined;
  readonly refreshToken?: string | undefined;
  /** Ms since the epoch; undefined: not told. */
  readonly expiresAt?: number | undefined;
}

/** Whose grant it is: a token for one url is never sent to another. */
export interface GrantOwner {
  readonly server: string;
  readonly url: string;
}

/**
 * Tokens at rest: AES-256-GCM under a key of this home (0600), bound to the name and the url of their server, so that
 * a file put in another's place does not decrypt.
 */
export class TokenStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Undefined when there is none, or when it cannot be opened with the key of this home.
   * @throws RuntimeError SECRET_UNAVAILABLE when others can read the key: what it protects is no secret any more.
   */
  async load(owner: GrantOwner): Promise<Grant | undefined> {
    const sealed = await readFile(this.#file(owner)).catch(() => undefined);
    if (sealed === undefined) return undefined;
    const key = await this.#key().catch((error: unknown) => {
      if (error instanceof KeyError && error.reason !== 'exposed') return undefined;
      throw unusable(owner, error);
    });
    try {
      const text = key && unseal(key, sealed, boundTo(owner))?.toString('utf8');
      return text === undefined ? undefined : (JSON.parse(text) as Grant);
    } catch {
      return undefined;
    }
  }

  async save(owner: GrantOwner, grant: Grant): Promise<void> {
    await ensurePrivateDir(this.#directory);
    // The first of several that come at once makes it.
    await writeKeyFile(this.#keyFile, newKey()).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
    const key = await this.#key().catch((error: unknown) => {
      throw unusable(owner, error);
    });
    await writeFileAtomic(this.#file(owner), seal(key, JSON.stringify(grant), boundTo(owner)));
  }

  async forget(owner: GrantOwner): Promise<void> {
    await unlink(this.#file(owner)).catch(() => {});
  }

  /** Runs `work` while no other process of this home does so for the same server. */
  async exclusively<T>(owner: GrantOwner, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await ensurePrivateDir(this.#directory);
    return withFileLock(`${this.#file(owner)}.lock`, signal, work);
  }

  #file({ server, url }: GrantOwner): string {
    return join(this.#directory, sha256(`${server}\n${url}`).slice(0, 32));
  }

  get #keyFile(): string {
    return join(this.#directory, 'key');
  }

  #key(): Promise<Buffer> {
    return readKeyFile(this.#keyFile);
  }
}

const boundTo = ({ server, url }: GrantOwner): string => `${server}\n${url}`;

function unusable({ server }: GrantOwner, error: unknown): unknown {
  if (!(error instanceof KeyError)) return error;
  return new RuntimeError(
    'SECRET_UNAVAILABLE',
    `The tokens of server "${server}" cannot be used: ${error.message}.`,
    {
      hint: `Set the key right, or remove it and run \`mcp-runtime auth ${server}\` again.`,
      data: { server, reason: error.reason },
      cause: error,
    },
  );
}
