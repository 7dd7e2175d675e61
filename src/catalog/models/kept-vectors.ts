import { sha256 } from '../../lib/hash.js';
import type { Sqlite } from '../../lib/sqlite.js';
import type { Embedder } from '../search/index.js';

export const vectorMigrations = [
  `CREATE TABLE vectors (
     model TEXT NOT NULL,
     text_hash TEXT NOT NULL,
     vector BLOB NOT NULL,
     used_at INTEGER NOT NULL,
     PRIMARY KEY (model, text_hash)
   ) WITHOUT ROWID`,
] as const;

const DAY_MS = 24 * 3_600_000;
/** Vectors that nothing asked for so long are forgotten. */
const FORGET_AFTER_MS = 30 * DAY_MS;

/** The same embedder, which reads each text of a document once: over restarts only what changed is read again. */
export function withKeptVectors(embedder: Embedder, db: Sqlite, now: () => number = Date.now): Embedder {
  db.run('DELETE FROM vectors WHERE used_at < ?', now() - FORGET_AFTER_MS);
  const { id, dimensions } = embedder;

  function kept(hash: string): Float32Array | undefined {
    const row = db.get<{ vector: Uint8Array; used_at: number }>(
      'SELECT vector, used_at FROM vectors WHERE model = ? AND text_hash = ?',
      id,
      hash,
    );
    // A row of another length is damage: it is made anew.
    if (row?.vector.byteLength !== dimensions * 4) return undefined;
    // A write for each use would cost more than it is worth.
    if (row.used_at < now() - DAY_MS)
      db.run('UPDATE vectors SET used_at = ? WHERE model = ? AND text_hash = ?', now(), id, hash);
    return new Float32Array(Uint8Array.from(row.vector).buffer);
  }

  return {
    id,
    dimensions,
    embed: async (texts, kind) => {
      if (kind === 'query') return embedder.embed(texts, kind);
      const hashes = texts.map((text) => sha256(text));
      const vectors = hashes.map(kept);
      const missing = [...texts.keys()].filter((place) => vectors[place] === undefined);
      if (missing.length === 0) return vectors as Float32Array[];
      const made = await embedder.embed(
        missing.map((place) => texts[place] ?? ''),
        kind,
      );
      db.transaction(() => {
        for (const [i, place] of missing.entries()) {
          const vector = made[i] ?? new Float32Array(dimensions);
          vectors[place] = vector;
          // What does not fit is not kept: it would be refused for ever.
          if (vector.length === dimensions) {
            db.run(
              'INSERT OR REPLACE INTO vectors (model, text_hash, vector, used_at) VALUES (?, ?, ?, ?)',
              id,
              hashes[place] ?? '',
              Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength),
              now(),
            );
          }
        }
      });
      return vectors as Float32Array[];
    },
  };
}
