import type { DocumentFields } from './document.js';
import type { StaticEmbedder } from './static-table.js';
import { splitIdentifiers } from './tokenize.js';
import { addScaled, dot, normalise } from './vector.js';

// A long description says less with each token, and learning has to stay fast whatever an upstream sends.
const MOST_TOKENS = { name: 24, first: 60, description: 200, parameters: 60, server: 60, query: 256 };
const WEIGHTS = { name: 0.2, first: 0.2, described: 0.2, withParameters: 0.2, all: 0.1, server: 0.15 };
const SENTENCE_END = /[.\n](?:\s|$)/;
// What is compared word by word: enough to tell tools apart, little enough to keep for each.
const MOST_KEPT = { first: 40, description: 60, parameters: 20, server: 10 };

/** What the table makes of a tool. */
export interface Meaning {
  /** Of length one; undefined when the table knows none of its words. */
  readonly vector: Float32Array | undefined;
  /** Rows of the words that say most (name, first sentence, server), and of the others; each once. */
  readonly first: Uint16Array;
  readonly others: Uint16Array;
}

/** Makes vectors of tools; keeps the last server's part, since tools of one server come one after the other. */
export interface Vectoriser {
  document(fields: DocumentFields): Meaning;
}

/**
 * A tool's vector is made of: its name, with the first sentence, with all of the description, with the parameters'
 * names, with the server; and the server alone. Each is brought to length one, so that no long part drowns the name.
 */
export function createVectoriser(embedder: StaticEmbedder): Vectoriser {
  const zero = (): Float32Array => new Float32Array(embedder.dimensions);
  let serverText = '';
  let server = zero();
  const serverSum = (text: string): Float32Array => {
    if (text === serverText) return server;
    serverText = text;
    server = zero();
    embedder.accumulate(embedder.encode(text, MOST_TOKENS.server), server);
    return server;
  };
  return {
    document(fields) {
      const running = zero();
      const vector = zero();
      const take = (sum: Float32Array, weight: number): void => {
        const length = Math.sqrt(dot(sum, 0, sum, sum.length));
        if (length > 0) addScaled(vector, sum, weight / length);
      };
      const add = (text: string, most: number): number[] => {
        const rows = embedder.encode(text, most);
        embedder.accumulate(rows, running);
        return rows;
      };
      const own = serverSum(`${fields.server} ${fields.serverText}`);
      take(own, WEIGHTS.server);
      const name = add(fields.name, MOST_TOKENS.name);
      take(running, WEIGHTS.name);
      const end = fields.description.search(SENTENCE_END);
      const sentence = add(
        end < 0 ? fields.description : fields.description.slice(0, end),
        MOST_TOKENS.first,
      );
      take(running, WEIGHTS.first);
      const rest = end < 0 ? [] : add(fields.description.slice(end), MOST_TOKENS.description);
      take(running, WEIGHTS.described);
      const parameters = add(fields.parameterNames, MOST_TOKENS.parameters);
      take(running, WEIGHTS.withParameters);
      addScaled(running, own, 1);
      take(running, WEIGHTS.all);
      const first = new Set([
        ...name,
        ...sentence.slice(0, MOST_KEPT.first),
        ...embedder.encode(fields.server, MOST_KEPT.server),
      ]);
      const others = new Set([
        ...rest.slice(0, MOST_KEPT.description),
        ...parameters.slice(0, MOST_KEPT.parameters),
      ]);
      return {
        vector: normalise(vector) ? vector : undefined,
        first: Uint16Array.from(first),
        others: Uint16Array.from([...others].filter((row) => !first.has(row))),
      };
    },
  };
}

/** The vector of a query, or undefined when the table knows none of its words. */
export function queryVector(text: string, embedder: StaticEmbedder): Float32Array | undefined {
  const sum = new Float32Array(embedder.dimensions);
  embedder.accumulate(embedder.encode(splitIdentifiers(text), MOST_TOKENS.query), sum);
  return normalise(sum) ? sum : undefined;
}
