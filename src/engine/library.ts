import { join } from 'node:path';
import { Catalog } from '../catalog/catalog.js';
import { openCatalogDb } from '../catalog/catalog-db.js';
import { Approvals } from '../catalog/pins/approvals.js';
import { PinDb } from '../catalog/pins/pin-db.js';
import { createSearchIndex, lazyIndex, loadStaticEmbedder } from '../catalog/search/index.js';
import type { Settings } from '../config/settings.js';
import type { RuntimeEvent } from '../core/events.js';
import type { Emitter } from '../lib/emitter.js';
import type { Logger } from '../lib/log.js';
import { Describer } from './describer.js';
import { BackgroundModel, embedderOf } from './model-search.js';

/** What a person approves by a command counts in every engine of the home after this time, ms. */
const RECONSIDER_MS = 1_000;

/** The catalog, and what works on it in the background. */
export interface Library {
  readonly catalog: Catalog;
  /** What was agreed to. */
  readonly pins: PinDb;
  /** For people. */
  readonly problems: readonly string[];
  /** Lets the models that the settings name begin. */
  start(): void;
  close(): Promise<void>;
}

/** @throws RuntimeError STORAGE_FAILED */
export function openLibrary(settings: Settings, logger: Logger, events: Emitter<RuntimeEvent>): Library {
  const { db, problem } = openCatalogDb(join(settings.home, 'catalog.db'));
  if (problem !== undefined) logger.warn(problem);
  const search = lazyIndex(
    () => createSearchIndex(shippedTable(logger)),
    // The model sleeps when it has read what was there.
    () => model?.poke(),
  );
  const open = embedderOf(settings);
  const model: BackgroundModel | undefined = open && new BackgroundModel({ index: search, open, db, logger });
  const pins = new PinDb(join(settings.home, 'pins.db'));
  const approvals = new Approvals(pins, { trust: settings.trust, pinTools: settings.pinTools });
  const catalog = new Catalog({ db, search, approvals, ...(model ? { searcher: model } : {}) });
  const describer = Describer.of(settings, { catalog, db, logger });
  let unsubscribe = () => {};
  let timer: NodeJS.Timeout | undefined;
  const reconsider = () => {
    const servers = catalog.reconsider();
    if (servers.length > 0) events.emit({ type: 'catalog-changed', servers });
  };
  const poke = () => {
    model?.poke();
    describer?.poke();
  };
  return {
    catalog,
    pins,
    get problems() {
      return [problem, approvals.problem].filter((one) => one !== undefined);
    },
    start: () => {
      unsubscribe();
      unsubscribe = events.subscribe((event) => {
        if (event.type === 'catalog-changed') poke();
      });
      clearInterval(timer);
      timer = setInterval(reconsider, RECONSIDER_MS).unref();
      poke();
    },
    close: async () => {
      unsubscribe();
      clearInterval(timer);
      await Promise.all([model?.close(), describer?.close()]);
      db.close();
      pins.close();
    },
  };
}

/** Without its table search goes by words alone, and says so. */
function shippedTable(logger: Logger): ReturnType<typeof loadStaticEmbedder> | undefined {
  try {
    return loadStaticEmbedder();
  } catch (error) {
    logger.error({ error: String(error) }, 'the table for search by meaning cannot be read');
    return undefined;
  }
}
