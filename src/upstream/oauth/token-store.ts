import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../lib/abort.js';
import { writeFileAtomic } from '../../lib/atomic-file.js';
import { sha256 } from '../../lib/hash.js';
import { ensurePrivateDir } from '../../lib/private-dir.js';
import { openDatabase } from '../../lib/sqlite.js';

/** What is kept for one server. */
export interface Grant {
  readonly tokenEndpoint: string;
  readonly resource: string;
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
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

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LOCK_POLL_MS = 25;

/**
 * Tokens at rest: AES-256-GCM under a key of this home (0600), bound to the name and the url of their server, so that
 * a file put in another's place does not decrypt.
 */
export class TokenStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Undefined when there is none, or when it cannot be read with the key of this home. */
  async load(owner: GrantOwner): Promise<Grant | undefined> {
    try {
      const sealed = await readFile(this.#file(owner));
      const key = await readFile(join(this.#directory, 'key'));
      if (sealed[0] !== VERSION || key.length !== 32) return undefined;
      const body = sealed.subarray(1 + NONCE_BYTES, sealed.length - TAG_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 1 + NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(boundTo(owner));
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
      return JSON.parse(Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')) as Grant;
    } catch {
      return undefined;
    }
  }

  async save(owner: GrantOwner, grant: Grant): Promise<void> {
    const key = await this.#key();
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(boundTo(owner));
    const body = Buffer.concat([cipher.update(JSON.stringify(grant), 'utf8'), cipher.final()]);
    const sealed = Buffer.concat([Buffer.from([VERSION]), nonce, body, cipher.getAuthTag()]);
    await writeFileAtomic(this.#file(owner), sealed);
  }

  async forget(owner: GrantOwner): Promise<void> {
    await unlink(this.#file(owner)).catch(() => {});
  }

  /**
   * Runs `work` while no other process of this home does so for the same server. The lock is SQLite's, which is the
   * operating system's: it ends with the process, so none is ever stale.
   */
  async exclusively<T>(owner: GrantOwner, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await ensurePrivateDir(this.#directory);
    const db = openDatabase(`${this.#file(owner)}.lock`, 'oauth-lock', []);
    try {
      db.get('PRAGMA busy_timeout = 0');
      for (;;) {
        try {
          db.run('BEGIN EXCLUSIVE');
          break;
        } catch (error) {
          if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
          await sleep(LOCK_POLL_MS, { signal });
        }
      }
      try {
        return await work();
      } finally {
        db.run('ROLLBACK');
      }
    } finally {
      db.close();
    }
  }

  #file({ server, url }: GrantOwner): string {
    return join(this.#directory, sha256(`${server}\n${url}`).slice(0, 32));
  }

  async #key(): Promise<Buffer> {
    await ensurePrivateDir(this.#directory);
    const path = join(this.#directory, 'key');
    // The first of several that come at once makes it.
    await writeFileAtomic(path, randomBytes(32), { exclusive: true }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
    return readFile(path);
  }
}

const boundTo = ({ server, url }: GrantOwner): Buffer => Buffer.from(`${VERSION}\n${server}\n${url}`, 'utf8');
