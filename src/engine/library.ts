import { join } from 'node:path';
import { Catalog } from '../catalog/catalog.js';
import { openCatalogDb } from '../catalog/catalog-db.js';
import { createSearchIndex, loadStaticEmbedder } from '../catalog/search/index.js';
import type { Settings } from '../config/settings.js';
import type { RuntimeEvent } from '../core/events.js';
import type { Emitter } from '../lib/emitter.js';
import type { Logger } from '../lib/log.js';
import { Describer } from './describer.js';
import { BackgroundModel, embedderOf } from './model-search.js';

/** The catalog, and what works on it in the background. */
export interface Library {
  readonly catalog: Catalog;
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
  const search = createSearchIndex(shippedTable(logger));
  const open = embedderOf(settings);
  const model = open && new BackgroundModel({ index: search, open, db, logger });
  const catalog = new Catalog({ db, search, ...(model ? { searcher: model } : {}) });
  const describer = Describer.of(settings, { catalog, db, logger });
  let unsubscribe = () => {};
  const poke = () => {
    model?.poke();
    describer?.poke();
  };
  return {
    catalog,
    problems: problem === undefined ? [] : [problem],
    start: () => {
      unsubscribe();
      unsubscribe = events.subscribe((event) => {
        if (event.type === 'catalog-changed') poke();
      });
      poke();
    },
    close: async () => {
      unsubscribe();
      await Promise.all([model?.close(), describer?.close()]);
      db.close();
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
