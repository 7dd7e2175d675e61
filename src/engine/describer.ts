import type { Catalog } from '../catalog/catalog.js';
import { describeWithModel, questionOf } from '../catalog/models/describe-with-model.js';
import { KeptDescriptions } from '../catalog/models/kept-descriptions.js';
import type { Settings } from '../config/settings.js';
import { sleep } from '../lib/abort.js';
import { backoffDelay } from '../lib/backoff.js';
import type { Logger } from '../lib/log.js';
import { endpointOf, type OpenAiEndpoint } from '../lib/openai-endpoint.js';
import type { Sqlite } from '../lib/sqlite.js';

const RETRY = { baseMs: 5_000, capMs: 600_000 } as const;
const TIMEOUT_MS = 60_000;

/** Has servers described by a chat model, one after another, in the background; nothing ever waits for it. */
export class Describer {
  readonly #catalog: Catalog;
  readonly #kept: KeptDescriptions;
  readonly #endpoint: OpenAiEndpoint;
  readonly #model: string;
  readonly #logger: Logger;
  readonly #scope = new AbortController();
  /** Questions whose answer made no sense; they are not asked again by this engine. */
  readonly #hopeless = new Set<string>();
  #wake: () => void = () => {};
  #running: Promise<void> | undefined;

  constructor(options: {
    catalog: Catalog;
    db: Sqlite;
    endpoint: OpenAiEndpoint;
    model: string;
    logger: Logger;
  }) {
    this.#catalog = options.catalog;
    this.#kept = new KeptDescriptions(options.db);
    this.#endpoint = { timeoutMs: TIMEOUT_MS, ...options.endpoint };
    this.#model = options.model;
    this.#logger = options.logger;
  }

  /** One where the settings name a model for it. */
  static of(
    settings: Settings,
    parts: { catalog: Catalog; db: Sqlite; logger: Logger },
  ): Describer | undefined {
    const endpoint = endpointOf(settings.openai);
    const model = settings.openai.descriptionModel;
    return endpoint && model !== undefined ? new Describer({ ...parts, endpoint, model }) : undefined;
  }

  /** Begins, or tells it that something is known that was not before. */
  poke(): void {
    this.#running ??= this.#run();
    this.#wake();
  }

  async close(): Promise<void> {
    this.#scope.abort(new Error('the engine ends'));
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#scope;
    for (let failures = 0; !signal.aborted; ) {
      const changed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        await this.#describeAll();
        failures = 0;
        await changed;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        const pause = backoffDelay(failures, RETRY);
        const why = error instanceof Error ? error.message : String(error);
        this.#logger.warn({ error: why, pause }, 'the model that describes servers cannot be used');
        await sleep(pause, { signal, unref: true }).catch(() => {});
      }
    }
  }

  async #describeAll(): Promise<void> {
    for (const { definition } of this.#catalog.entries()) {
      const entry = this.#catalog.get(definition.name);
      // An index has described its servers itself.
      if (!entry || entry.tools.length === 0 || definition.transport === 'index') continue;
      const question = questionOf(entry, this.#model);
      let description = this.#kept.get(question.hash);
      if (!description && !this.#hopeless.has(question.hash)) {
        description = await describeWithModel(this.#endpoint, this.#model, question, this.#scope.signal);
        if (description) this.#kept.put(question.hash, description);
        else {
          this.#hopeless.add(question.hash);
          this.#logger.warn({ server: definition.name }, 'the model gave no description of a server');
        }
      }
      if (!description) continue;
      // What the definition forbids is known here alone.
      const limitations = [...new Set([...description.limitations, ...entry.description.limitations])];
      this.#catalog.describe(entry, { ...description, limitations });
    }
  }
}
