import type { ModelVector } from './corpus.js';
import type { Embedder } from './embedder.js';
import type { SearchIndex, SearchOptions, SearchResult } from './search-index.js';
import { normalise } from './vector.js';

const BATCH = 16;
const QUERY_TIMEOUT_MS = 2_000;

/** Search with a better, slower model beside the shipped table. */
export interface ModelSearch {
  /** As `SearchIndex.search`, with the model's view of the query; `degraded` when the model did not answer in time. */
  search(query: string, options: SearchOptions): Promise<SearchResult>;
  /** Lets the model read up to `most` tools that it has not read; gives how many it read. Rejects when it fails. */
  read(most: number): Promise<number>;
}

/**
 * Puts `embedder` beside `index`. It never holds up an answer for longer than `timeoutMs`: until the model has read the
 * tools, and whenever it fails, the shipped table and the words decide.
 */
export function withModel(index: SearchIndex, embedder: Embedder, timeoutMs = QUERY_TIMEOUT_MS): ModelSearch {
  return {
    async search(query, options) {
      const vector = await queryVector(query, embedder, timeoutMs);
      if (vector === undefined) return { ...index.search(query, options), degraded: true };
      return index.search(query, { ...options, vector });
    },
    async read(most) {
      let done = 0;
      while (done < most) {
        const texts = index.pending(embedder.id, Math.min(BATCH, most - done));
        if (texts.length === 0) break;
        const vectors = await embedder.embed(
          texts.map(({ text }) => text),
          'document',
        );
        for (const [i, pending] of texts.entries()) {
          index.setVector(
            pending,
            embedder.id,
            usable(vectors[i], embedder) ?? new Float32Array(embedder.dimensions),
          );
        }
        done += texts.length;
      }
      return done;
    },
  };
}

async function queryVector(
  text: string,
  embedder: Embedder,
  timeoutMs: number,
): Promise<ModelVector | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, undefined);
    timer.unref();
  });
  try {
    const vectors = await Promise.race([embedder.embed([text.slice(0, 2_000)], 'query'), late]);
    const vector = usable(vectors?.[0], embedder);
    return vector && { model: embedder.id, vector };
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** A remote model may send anything: a vector of another length or with NaN would spoil every comparison. */
function usable(vector: Float32Array | undefined, embedder: Embedder): Float32Array | undefined {
  if (vector === undefined || vector.length !== embedder.dimensions) return undefined;
  const copy = vector.slice();
  return normalise(copy) ? copy : undefined;
}
