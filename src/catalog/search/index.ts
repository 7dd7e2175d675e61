export { type ModelSearch, withModel } from './background.js';
export type { Embedder } from './embedder.js';
export { lazyIndex } from './lazy-index.js';
export { loadLocalModel } from './local-model.js';
export { createSearchIndex, type SearchIndex, type SearchOptions } from './search-index.js';
export { loadStaticEmbedder } from './static-table.js';
