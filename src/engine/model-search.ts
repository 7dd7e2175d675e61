import type { Searcher } from '../catalog/catalog.js';
import { withKeptVectors } from '../catalog/models/kept-vectors.js';
import { openOpenAiEmbedder } from '../catalog/models/openai-embedder.js';
import {
  type Embedder,
  loadLocalModel,
  type ModelSearch,
  type SearchIndex,
  withModel,
} from '../catalog/search/index.js';
import type { Settings } from '../config/settings.js';
import { sleep, untilAborted } from '../lib/abort.js';
import { backoffDelay } from '../lib/backoff.js';
import type { Logger } from '../lib/log.js';
import { endpointOf } from '../lib/openai-endpoint.js';
import type { Sqlite } from '../lib/sqlite.js';

/** `EMBEDDING_MODEL_NAME` for the model in this process. */
const LOCAL = 'local';
/** Tools read between two looks at whether it should end. */
const BATCH = 64;
const RETRY = { baseMs: 2_000, capMs: 300_000 } as const;

/** Opens an embedder; `close` ends what it holds. */
type Open = (signal: AbortSignal) => Promise<Embedder & { close?: () => Promise<void> }>;

/** What opens the embedder that the settings name; none when the shipped table is all there is to be. */
export function embedderOf({ openai }: Settings): Open | undefined {
  const { embeddingModel: model, dimensions } = openai;
  if (model === undefined) return undefined;
  if (model === LOCAL) return () => loadLocalModel();
  const endpoint = endpointOf(openai);
  if (!endpoint)
    return () => Promise.reject(new Error('EMBEDDING_MODEL_NAME needs OPENAI_BASE_URL or OPENAI_API_KEY.'));
  return (signal) => openOpenAiEmbedder({ endpoint, model, dimensions, signal });
}

/**
 * Search with a model beside the shipped table. The model is opened and reads the tools in the background; until it is
 * there the table answers, and when it fails the answer says so (`degraded`) and it is tried again.
 */
export class BackgroundModel implements Searcher {
  readonly #index: SearchIndex;
  readonly #open: Open;
  readonly #db: Sqlite;
  readonly #logger: Logger;
  readonly #scope = new AbortController();
  #model: ModelSearch | undefined;
  #failed = false;
  #wake: () => void = () => {};
  #running: Promise<void> | undefined;

  constructor(options: { index: SearchIndex; open: Open; db: Sqlite; logger: Logger }) {
    this.#index = options.index;
    this.#open = options.open;
    this.#db = options.db;
    this.#logger = options.logger;
  }

  async search(...given: Parameters<ModelSearch['search']>): ReturnType<ModelSearch['search']> {
    if (this.#model) return this.#model.search(...given);
    const found = this.#index.search(...given);
    return this.#failed ? { ...found, degraded: true } : found;
  }

  /** Opens the model, or tells it that there are tools that it has not read. */
  poke(): void {
    this.#running ??= this.#run();
    this.#wake();
  }

  async close(): Promise<void> {
    this.#scope.abort(new Error('the engine ends'));
    this.#wake();
    await this.#running;
  }

  /** A local model takes seconds to load, which the end of the engine does not wait for. */
  #opened(): ReturnType<Open> {
    const { signal } = this.#scope;
    const opening = this.#open(signal);
    opening.then(
      (late) => (signal.aborted ? late.close?.() : undefined),
      () => {},
    );
    return untilAborted(opening, signal);
  }

  async #run(): Promise<void> {
    const { signal } = this.#scope;
    let opened: Awaited<ReturnType<Open>> | undefined;
    for (let failures = 0; !signal.aborted; ) {
      try {
        opened ??= await this.#opened();
        this.#model ??= withModel(this.#index, withKeptVectors(opened, this.#db));
        // Made before reading, so that what comes meanwhile is not slept over.
        const changed = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        while (!signal.aborted && (await this.#model.read(BATCH)) > 0);
        failures = 0;
        this.#failed = false;
        if (!signal.aborted) await changed;
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        this.#failed = true;
        const pause = backoffDelay(failures, RETRY);
        const why = error instanceof Error ? error.message : String(error);
        this.#logger.warn(
          { error: why, pause },
          'the embedding model cannot be used; search goes by the table',
        );
        await sleep(pause, { signal, unref: true }).catch(() => {});
      }
    }
    await opened?.close?.();
  }
}
