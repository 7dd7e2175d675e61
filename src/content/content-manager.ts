import { join } from 'node:path';
import type { ContentRef } from '../core/content.js';
import type { Payload } from '../core/payload.js';
import type { CallToolResult } from '../core/upstream.js';
import { type Logger, silentLogger } from '../lib/log.js';
import { chunkTotal } from './chunks.js';
import { ContentNotes } from './notes.js';
import { needsNothing, offloadResult } from './offload.js';
import { type ContentPart, type ReadLimits, type ReadRequest, readContent } from './read.js';
import type { Keeper } from './replace-block.js';
import { fitValue, type StandIn } from './stand-in.js';
import { ContentStore, type NewContent } from './store.js';
import { ImageDescriber, type VisionOptions } from './vision.js';

export interface ContentOptions {
  /** Made if missing, mode 0700. Files in it whose name is a UUID, or ends in `.partial`, belong to the store. */
  readonly directory: string;
  /** Path of the SQLite file; may be shared with others. Default `content.db` in the directory. */
  readonly database?: string | undefined;
  /** Tokens of one text that a model is given at once. Default 4096, at least 64. */
  readonly maxResultTokens?: number | undefined;
  /** Default 24 h. */
  readonly ttlMs?: number | undefined;
  /** Default 2 GiB. When it is reached, the oldest go that no living task needs. */
  readonly quotaBytes?: number | undefined;
  /** Nothing younger is evicted. Default 15 min. */
  readonly minKeepMs?: number | undefined;
  /** Who describes images in words. Default: nobody. */
  readonly vision?: VisionOptions | undefined;
  /** Ms since the epoch. */
  readonly clock?: (() => number) | undefined;
  readonly logger?: Logger | undefined;
}

export interface OffloadOptions {
  readonly principal: string;
  /** Whose result it is: what it links to may be read there by this principal. */
  readonly server?: string | undefined;
  /** The references of this result are not evicted before (ms since the epoch), e.g. the expiry of its task. */
  readonly keepUntil?: number | undefined;
}

export interface ContentStatistics {
  readonly items: number;
  readonly bytes: number;
  readonly quotaBytes: number;
}

interface Settings {
  readonly maxResultTokens: number;
  readonly ttlMs: number;
  readonly quotaBytes: number;
  readonly vision: VisionOptions | undefined;
  readonly clock: () => number;
  readonly logger: Logger;
}

const MIB = 1024 * 1024;
const SWEEP_MS = 10 * 60_000;
/** A result waits so long for what its images show. */
const DESCRIBE_MS = 5_000;

/** What is too large for a model's context, kept on disk under references that belong to a principal. */
export class ContentManager {
  readonly #store: ContentStore;
  readonly #notes: ContentNotes;
  readonly #describer: ImageDescriber | undefined;
  readonly #clock: () => number;
  readonly #logger: Logger;
  readonly #maxTokens: number;
  readonly #ttlMs: number;
  readonly #quotaBytes: number;
  readonly #limits: ReadLimits;
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  private constructor(store: ContentStore, notes: ContentNotes, settings: Settings) {
    const { logger } = settings;
    this.#store = store;
    this.#notes = notes;
    this.#describer = settings.vision && new ImageDescriber(notes, { ...settings.vision, logger });
    this.#clock = settings.clock;
    this.#logger = logger;
    this.#maxTokens = settings.maxResultTokens;
    this.#ttlMs = settings.ttlMs;
    this.#quotaBytes = settings.quotaBytes;
    this.#limits = {
      // The rest is for the words around a part: `[Chunk 3/17]`, and the call that goes on.
      tokens: this.#maxTokens - Math.min(128, Math.floor(this.#maxTokens / 4)),
      wholeBytes: 4 * MIB,
      mediaBytes: 16 * MIB,
      jsonBytes: 64 * MIB,
      searchBytes: 64 * MIB,
    };
    this.#sweeper = setInterval(() => {
      this.#sweep().catch((error: unknown) => logger.warn({ error: String(error) }, 'content sweep failed'));
    }, SWEEP_MS).unref();
  }

  /** @throws RuntimeError HOME_UNUSABLE, STORAGE_FAILED; RangeError for options that make no sense. */
  static async open(options: ContentOptions): Promise<ContentManager> {
    const maxResultTokens = atLeast(64, 'maxResultTokens', options.maxResultTokens ?? 4096);
    const ttlMs = atLeast(1000, 'ttlMs', options.ttlMs ?? 24 * 3_600_000);
    const quotaBytes = atLeast(1, 'quotaBytes', options.quotaBytes ?? 2048 * MIB);
    const logger = options.logger ?? silentLogger;
    const clock = options.clock ?? Date.now;
    const database = options.database ?? join(options.directory, 'content.db');
    const store = await ContentStore.open({
      directory: options.directory,
      database,
      ttlMs,
      quotaBytes,
      minKeepMs: Math.min(ttlMs, options.minKeepMs ?? 15 * 60_000),
      clock,
      logger,
    });
    try {
      const notes = new ContentNotes(database, clock);
      const { vision } = options;
      return new ContentManager(store, notes, { maxResultTokens, ttlMs, quotaBytes, vision, clock, logger });
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /** Keeps something. The same bytes of the same principal are kept once. @throws RuntimeError STORAGE_FAILED. */
  put(principal: string, content: NewContent): Promise<ContentRef> {
    return this.#store.put(principal, content);
  }

  /** @throws RuntimeError CONTENT_NOT_FOUND, the same for malformed, unknown, expired and foreign. */
  info(principal: string, refId: unknown): ContentRef {
    const { newlines: _newlines, pinnedUntil: _pinnedUntil, ...ref } = this.#store.find(principal, refId);
    return ref;
  }

  /** @throws RuntimeError CONTENT_NOT_FOUND, INVALID_ARGUMENTS, STORAGE_FAILED (damaged, unreadable). */
  async read(principal: string, refId: unknown, request: ReadRequest = {}): Promise<ContentPart> {
    const part = await readContent(this.#store, principal, refId, request, this.#limits);
    if (part.kind !== 'image' || !this.#describer) return part;
    return { ...part, text: this.#describer.known(this.#store.find(principal, refId).sha256) };
  }

  /** Whether this principal was given a result of the server that names the resource. */
  wasTold(principal: string, server: string, uri: string): boolean {
    return this.#notes.hasLink(principal, server, uri);
  }

  /** @throws RuntimeError CONTENT_NOT_FOUND. */
  delete(principal: string, refId: unknown): Promise<void> {
    return this.#store.delete(principal, refId);
  }

  /** Whether a result is fit for a context as it is, at a glance. */
  passes(payload: Payload<CallToolResult>): boolean {
    return needsNothing(payload, this.#maxTokens);
  }

  /** A result fit for a context: see `offloadResult`. Never rejects for want of storage. */
  offload(payload: Payload<CallToolResult>, options: OffloadOptions): Promise<Payload<CallToolResult>> {
    if (needsNothing(payload, this.#maxTokens)) return Promise.resolve(payload);
    return offloadResult(payload, {
      ...this.#keeper(options),
      ...this.#media(),
      noteLinks: (uris) => this.#noteLinks(uris, options),
    });
  }

  /**
   * A JSON value fit for a context: itself, or its outline and where it is kept. Never rejects for want of storage.
   * @param times the limit of a result so many times.
   */
  fit<T>(value: T, { principal, times }: { principal: string; times: number }): Promise<T | StandIn> {
    return fitValue(value, this.#maxTokens * times, this.#keeper({ principal }));
  }

  #keeper({ principal, keepUntil }: OffloadOptions): Keeper {
    return {
      maxTokens: this.#maxTokens,
      ttlMs: this.#ttlMs,
      put: (content) => this.#store.put(principal, { ...content, keepUntil }),
      chunksOf: async (ref) => {
        const record = this.#store.find(principal, ref.id);
        await using file = await this.#store.open(record);
        return chunkTotal(await this.#store.chunkMap(record, file, this.#limits.tokens));
      },
    };
  }

  /** All images of one result share the time that it waits for them. */
  #media(): Pick<Keeper, 'describeImage'> {
    const describer = this.#describer;
    if (!describer) return {};
    const until = performance.now() + DESCRIBE_MS;
    return { describeImage: (image, type) => describer.describe(image, type, until - performance.now()) };
  }

  #noteLinks(uris: readonly string[], { principal, server, keepUntil = 0 }: OffloadOptions): void {
    if (server === undefined) return;
    try {
      this.#notes.addLinks(principal, server, uris, Math.max(this.#clock() + this.#ttlMs, keepUntil));
    } catch (error) {
      this.#logger.warn({ error: String(error) }, 'links of a result could not be remembered');
    }
  }

  async #sweep(): Promise<void> {
    this.#notes.sweep();
    await this.#store.sweepExpired();
  }

  /** Of one principal, or of all. */
  statistics(principal?: string): ContentStatistics {
    return { ...this.#store.totals(principal), quotaBytes: this.#quotaBytes };
  }

  /** Idempotent. Everything that is kept stays for the next start. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#describer?.close();
    this.#notes.close();
    this.#store.close();
  }
}

function atLeast(least: number, name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`${name} must be an integer of at least ${least}, not ${value}`);
}
