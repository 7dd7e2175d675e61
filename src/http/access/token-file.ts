import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { RuntimeError } from '../../core/errors.js';
import { writeFileAtomic } from '../../lib/atomic-file.js';
import { isDangling } from '../../lib/dangling.js';
import { withFileLock } from '../../lib/file-lock.js';
import { ensurePrivateDir } from '../../lib/private-dir.js';
import { type Access, restrictionOf, type Scope } from './access.js';

const recordSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  holder: z.string().regex(/^[\w.@-]{1,64}$/),
  /** SHA-256, hex. What is hashed has 256 random bits, so nothing slower is needed. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.number(),
  expiresAt: z.number().optional(),
  servers: z.array(z.string()),
  tools: z.array(z.string()),
  readOnly: z.boolean(),
});
const fileSchema = z.object({ format: z.literal(1), tokens: z.array(recordSchema) });

/** A token as it is kept: nobody can make it again out of this. */
export type TokenRecord = Readonly<z.output<typeof recordSchema>>;

export interface NewToken extends Scope {
  /** Letters, digits, `_`, `.`, `@` and `-`. */
  readonly holder: string;
  /** Ms since the epoch; undefined: it does not expire. */
  readonly expiresAt?: number | undefined;
}

const PREFIX = 'mcprt';
const LOCK_MS = 10_000;
/** A revoked token is refused after this time at the latest, ms. */
const FRESH_MS = 200;

/** The bearer tokens of a home, hashed. Several processes may use the file; a change counts at once. */
export class TokenFile {
  readonly #path: string;
  #known: { readonly at: string; readonly tokens: readonly TokenRecord[] | undefined } | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<readonly TokenRecord[] | undefined> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Undefined while none was ever made. @throws RuntimeError STORAGE_FAILED */
  async list(): Promise<readonly TokenRecord[] | undefined> {
    this.#lookedAt = Number.NEGATIVE_INFINITY;
    return this.#tokens();
  }

  /** @returns the token itself, which is kept nowhere. @throws RuntimeError INVALID_ARGUMENTS, STORAGE_FAILED */
  async create({ holder, expiresAt, ...scope }: NewToken): Promise<{ token: string; record: TokenRecord }> {
    const id = randomBytes(6).toString('hex');
    const token = `${PREFIX}_${id}_${randomBytes(32).toString('base64url')}`;
    const made = recordSchema.safeParse({
      id,
      holder,
      hash: hashOf(token).toString('hex'),
      createdAt: Date.now(),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...scope,
    });
    if (!made.success) {
      throw new RuntimeError('INVALID_ARGUMENTS', 'That cannot be the name of a holder.', {
        hint: 'Letters, digits, "_", ".", "@" and "-", up to 64.',
      });
    }
    await this.#change((tokens) => [...tokens, made.data]);
    return { token, record: made.data };
  }

  /** @param which id of one, or holder of any number. @returns those that are gone. */
  async revoke(which: string): Promise<readonly TokenRecord[]> {
    const gone: TokenRecord[] = [];
    await this.#change((tokens) =>
      tokens.filter((one) => {
        const stays = one.id !== which && one.holder !== which;
        if (!stays) gone.push(one);
        return stays;
      }),
    );
    return gone;
  }

  /** What the token stands for; undefined when it is none, was revoked or has expired. */
  async verify(token: string): Promise<Access | undefined> {
    const [, id] = /^mcprt_([0-9a-f]{12})_[\w-]{43}$/.exec(token) ?? [];
    const known = () => this.#tokens().then((tokens) => tokens?.find((one) => one.id === id));
    let record = await known();
    if (!record && id !== undefined) {
      // Perhaps made since the last look, and a look that is under way may have begun before.
      await this.#looking?.catch(() => {});
      this.#lookedAt = Number.NEGATIVE_INFINITY;
      record = await known();
    }
    // Also where there is nothing to compare with, so that the time tells nothing.
    const same = timingSafeEqual(hashOf(token), Buffer.from(record?.hash ?? '0'.repeat(64), 'hex'));
    if (!record || !same || !isFresh(record)) return undefined;
    return {
      principal: `token:${record.holder}`,
      restriction: restrictionOf(record),
      isValid: async () => {
        const now = (await this.#tokens().catch(() => []))?.find((one) => one.id === record.id);
        return now?.hash === record.hash && isFresh(now);
      },
    };
  }

  /** Whether any was ever made: from then on one is asked for. */
  async exists(): Promise<boolean> {
    // A file that cannot be read is no reason to let everybody in.
    return this.#tokens().then(
      (tokens) => tokens !== undefined,
      () => true,
    );
  }

  #tokens(): Promise<readonly TokenRecord[] | undefined> {
    if (this.#known && performance.now() - this.#lookedAt < FRESH_MS)
      return Promise.resolve(this.#known.tokens);
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<readonly TokenRecord[] | undefined> {
    const facts = await stat(this.#path, { bigint: true }).catch(() => undefined);
    const at = facts ? `${facts.ino} ${facts.size} ${facts.mtimeNs}` : '';
    if (this.#known?.at !== at) this.#known = { at, tokens: await this.#read() };
    this.#lookedAt = performance.now();
    return this.#known.tokens;
  }

  async #read(): Promise<readonly TokenRecord[] | undefined> {
    try {
      return fileSchema.parse(JSON.parse(await readFile(this.#path, 'utf8'))).tokens;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !(await isDangling(this.#path)))
        return undefined;
      throw new RuntimeError('STORAGE_FAILED', `The file of tokens ${this.#path} cannot be read.`, {
        hint: 'No token is accepted until it can be. Put back a good copy, or remove it and make new tokens.',
        retryable: false,
        cause: error,
      });
    }
  }

  async #change(change: (tokens: readonly TokenRecord[]) => readonly TokenRecord[]): Promise<void> {
    await ensurePrivateDir(dirname(this.#path));
    await withFileLock(`${this.#path}.lock`, AbortSignal.timeout(LOCK_MS), async () => {
      const tokens = change((await this.#read()) ?? []);
      await writeFileAtomic(this.#path, `${JSON.stringify({ format: 1, tokens }, undefined, 2)}\n`);
    });
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }
}

const isFresh = ({ expiresAt = Number.POSITIVE_INFINITY }: TokenRecord): boolean => expiresAt > Date.now();

const hashOf = (token: string): Buffer => createHash('sha256').update(token, 'utf8').digest();
