import { createHash, randomUUID } from 'node:crypto';
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentRef } from '../core/content.js';
import { RuntimeError } from '../core/errors.js';
import { PARTIAL_SUFFIX, writeFileAtomic } from '../lib/atomic-file.js';
import { Breather } from '../lib/breather.js';
import type { Logger } from '../lib/log.js';
import { ensurePrivateDir } from '../lib/private-dir.js';
import { countNewlines } from './bytes.js';
import { type ChunkMap, mapChunks } from './chunks.js';
import { type ContentRecord, ContentRows } from './content-rows.js';
import { contentNotFound, isRef } from './ref.js';
import { storageFailed } from './storage-error.js';
import { FileVerifier, type StoredFile } from './stored-file.js';

/** Hashed in one go, bytes. */
const SLICE = 256 * 1024;

interface StoreOptions {
  readonly directory: string;
  readonly database: string;
  readonly ttlMs: number;
  readonly quotaBytes: number;
  /** Nothing younger is evicted, whatever the quota says. */
  readonly minKeepMs: number;
  readonly clock: () => number;
  readonly logger: Logger;
}

export interface NewContent {
  readonly kind: ContentRef['kind'];
  readonly mimeType: string;
  /** A string is stored as UTF-8; an unpaired surrogate, which UTF-8 cannot say, becomes U+FFFD. */
  readonly data: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Kept, whatever the quota says, until this time (ms since the epoch), e.g. the expiry of the task it belongs to. */
  readonly keepUntil?: number | undefined;
}

/** Files under random names, and a row for each: no row, no content. A crash between the two leaves a file to sweep. */
export class ContentStore {
  readonly #options: StoreOptions;
  readonly #rows: ContentRows;
  readonly #files = new FileVerifier();
  #used = 0;

  private constructor(options: StoreOptions, rows: ContentRows) {
    this.#options = options;
    this.#rows = rows;
    this.#used = rows.totals().bytes;
  }

  static async open(options: StoreOptions): Promise<ContentStore> {
    await ensurePrivateDir(options.directory);
    const store = new ContentStore(options, new ContentRows(options.database));
    try {
      await store.#sweepLeftovers();
      await store.sweepExpired();
      return store;
    } catch (error) {
      store.close();
      throw storageFailed('Opening the content store', error);
    }
  }

  async put(principal: string, content: NewContent): Promise<ContentRef> {
    try {
      return await this.#put(principal, content);
    } catch (error) {
      throw storageFailed('Keeping the content', error);
    }
  }

  /** @throws RuntimeError CONTENT_NOT_FOUND for whatever this principal has no living content under. */
  find(principal: string, id: unknown): ContentRecord {
    const found = isRef(id) ? this.#rows.find(principal, id, this.#options.clock()) : undefined;
    if (!found) throw contentNotFound(id, this.#options.ttlMs);
    return found;
  }

  async open(record: ContentRecord): Promise<StoredFile> {
    const file = await this.#files.open(this.#path(record.id), record);
    if (file) return file;
    this.#drop(record);
    throw contentNotFound(record.id, this.#options.ttlMs);
  }

  /** Made on first need and remembered: it depends on the bytes and the limit alone. */
  async chunkMap(record: ContentRecord, file: StoredFile, limit: number): Promise<ChunkMap> {
    const known = this.#rows.chunkMap(record.id);
    if (known && known.stride + known.lookBack === limit) return known;
    const map = await mapChunks(file, limit);
    this.#rows.setChunkMap(record.id, map);
    return map;
  }

  async delete(principal: string, id: unknown): Promise<void> {
    await this.#remove(this.find(principal, id));
  }

  totals(principal?: string): { items: number; bytes: number } {
    return this.#rows.totals(principal);
  }

  async sweepExpired(): Promise<void> {
    for (const record of this.#rows.expired(this.#options.clock())) await this.#remove(record);
  }

  close(): void {
    this.#rows.close();
  }

  async #put(principal: string, content: NewContent): Promise<ContentRef> {
    const { kind, mimeType, data } = content;
    const id = randomUUID();
    const tally = { hash: createHash('sha256'), bytes: 0, newlines: 0 };
    const count = (block: Buffer) => {
      tally.hash.update(block);
      tally.bytes += block.length;
      if (kind === 'text') tally.newlines += countNewlines(block);
    };
    const whole =
      typeof data === 'string' ? Buffer.from(data) : data instanceof Uint8Array ? asBuffer(data) : undefined;
    const facts = () => ({
      principal,
      kind,
      mimeType,
      bytes: tally.bytes,
      newlines: kind === 'text' ? tally.newlines : undefined,
    });
    if (whole) {
      const breather = new Breather();
      for (let from = 0; from < whole.length; from += SLICE) {
        count(whole.subarray(from, from + SLICE));
        if (breather.isDue) await breather.pause();
      }
      const sha256 = tally.hash.digest('hex');
      const same = await this.#same({ ...facts(), sha256 }, content.keepUntil);
      if (same) return same;
      await this.#makeRoom(whole.length);
      // Reserved before the first wait, so that many writers at once do not each take the same room.
      this.#used += whole.length;
      try {
        await writeFileAtomic(this.#path(id), whole, { exclusive: true });
        return await this.#insert({ ...facts(), id, sha256 }, content.keepUntil);
      } catch (error) {
        this.#used -= whole.length;
        throw error;
      }
    }
    const { quotaBytes } = this.#options;
    const blocks = passing(data as AsyncIterable<Uint8Array>, (block) => {
      count(asBuffer(block));
      if (tally.bytes > quotaBytes) throw storeFull(tally.bytes, quotaBytes);
    });
    await writeFileAtomic(this.#path(id), blocks, { exclusive: true });
    const sha256 = tally.hash.digest('hex');
    const same = await this.#same({ ...facts(), sha256 }, content.keepUntil);
    if (same) {
      await unlink(this.#path(id)).catch(() => {});
      return same;
    }
    const ref = await this.#insert({ ...facts(), id, sha256 }, content.keepUntil, true);
    this.#used += ref.bytes;
    return ref;
  }

  async #insert(
    facts: Pick<ContentRecord, 'id' | 'principal' | 'kind' | 'mimeType' | 'bytes' | 'sha256' | 'newlines'>,
    keepUntil: number | undefined,
    makeRoom = false,
  ): Promise<ContentRef> {
    const createdAt = this.#options.clock();
    try {
      if (makeRoom) await this.#makeRoom(facts.bytes);
      const expiresAt = Math.max(createdAt + this.#options.ttlMs, keepUntil ?? 0);
      const record = { ...facts, createdAt, expiresAt, pinnedUntil: keepUntil ?? 0 };
      await this.#files.trust(this.#path(facts.id), facts.id);
      this.#rows.insert(record);
      await this.#rows.flushed();
      return publicRef(record);
    } catch (error) {
      // A row that could not be flushed may stand; the callers count its bytes, so nobody else may.
      this.#rows.forget(facts.id);
      await unlink(this.#path(facts.id)).catch(() => {});
      throw error;
    }
  }

  async #same(
    facts: Pick<ContentRef, 'principal' | 'sha256' | 'kind' | 'mimeType'>,
    keepUntil: number | undefined,
  ): Promise<ContentRef | undefined> {
    const now = this.#options.clock();
    const found = this.#rows.findSame(facts, now);
    if (!found) return undefined;
    try {
      await using _intact = await this.open(found);
    } catch {
      // What is damaged must not spread: the bytes at hand are written anew.
      return undefined;
    }
    this.#rows.prolong(found.id, Math.max(now + this.#options.ttlMs, keepUntil ?? 0), keepUntil ?? 0);
    await this.#rows.flushed();
    const prolonged = this.#rows.find(facts.principal, found.id, now);
    return prolonged && publicRef(prolonged);
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { quotaBytes, clock, minKeepMs, logger } = this.#options;
    if (bytes > quotaBytes) throw storeFull(bytes, quotaBytes);
    if (this.#used + bytes <= quotaBytes) return;
    await this.sweepExpired();
    while (this.#used + bytes > quotaBytes) {
      const candidates = this.#rows.evictable(clock(), clock() - minKeepMs);
      if (candidates.length === 0) throw storeFull(this.#used + bytes, quotaBytes);
      for (const oldest of candidates) {
        if (this.#used + bytes <= quotaBytes) break;
        logger.info({ ref: oldest.id, bytes: oldest.bytes }, 'content evicted: the quota is reached');
        await this.#remove(oldest);
      }
    }
  }

  async #remove(record: ContentRecord): Promise<void> {
    this.#drop(record);
    await unlink(this.#path(record.id)).catch((error: unknown) => {
      this.#options.logger.warn(
        { ref: record.id, error: String(error) },
        'a content file could not be removed',
      );
    });
  }

  #drop(record: ContentRecord): void {
    if (this.#rows.remove(record.id)) this.#used -= record.bytes;
    this.#files.forget(record.id);
  }

  async #sweepLeftovers(): Promise<void> {
    const known = new Set(this.#rows.ids());
    for (const name of await readdir(this.#options.directory)) {
      const leftover = name.endsWith(PARTIAL_SUFFIX) || (isRef(name) && !known.has(name));
      if (leftover) await unlink(join(this.#options.directory, name)).catch(() => {});
    }
  }

  #path(id: string): string {
    return join(this.#options.directory, id);
  }
}

/**
 * The same blocks, each seen on its way. Not within a function that knows the data: V8 makes an old object for each generator
 * function that is called, which would keep all that is known there until the whole heap is collected.
 */
async function* passing(
  blocks: AsyncIterable<Uint8Array>,
  see: (block: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const block of blocks) {
    see(block);
    yield block;
  }
}

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const publicRef = ({ newlines: _newlines, pinnedUntil: _pinned, ...ref }: ContentRecord): ContentRef => ref;

const storeFull = (needed: number, quota: number) =>
  new RuntimeError(
    'STORAGE_FAILED',
    `The content store is full: ${needed} bytes would be needed, ${quota} are allowed, and what is kept is still in use.`,
    { hint: 'Wait until older content expires, or allow more.' },
  );
