import type { DocumentFields } from './document.js';
import type { StaticEmbedder } from './static-table.js';
import { splitIdentifiers } from './tokenize.js';
import { addScaled, dot, normalise } from './vector.js';

// A long description says less with each token, and learning has to stay fast whatever an upstream sends.
const MOST_TOKENS = { name: 24, first: 60, description: 200, parameters: 60, server: 60, query: 256 };
const WEIGHTS = { name: 0.2, first: 0.2, described: 0.2, withParameters: 0.2, all: 0.1, server: 0.15 };
const SENTENCE_END = /[.\n](?:\s|$)/;

/** Makes vectors of tools; keeps the last server's part, since tools of one server come one after the other. */
export interface Vectoriser {
  /** The vector of a tool, or undefined when the table knows none of its words. */
  document(fields: DocumentFields): Float32Array | undefined;
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
    embedder.accumulate(text, server, MOST_TOKENS.server);
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
      const own = serverSum(`${fields.server} ${fields.serverText}`);
      take(own, WEIGHTS.server);
      embedder.accumulate(fields.name, running, MOST_TOKENS.name);
      take(running, WEIGHTS.name);
      const end = fields.description.search(SENTENCE_END);
      const first = end < 0 ? fields.description : fields.description.slice(0, end);
      embedder.accumulate(first, running, MOST_TOKENS.first);
      take(running, WEIGHTS.first);
      if (end >= 0) embedder.accumulate(fields.description.slice(end), running, MOST_TOKENS.description);
      take(running, WEIGHTS.described);
      embedder.accumulate(fields.parameterNames, running, MOST_TOKENS.parameters);
      take(running, WEIGHTS.withParameters);
      addScaled(running, own, 1);
      take(running, WEIGHTS.all);
      return normalise(vector) ? vector : undefined;
    },
  };
}

/** The vector of a query, or undefined when the table knows none of its words. */
export function queryVector(text: string, embedder: StaticEmbedder): Float32Array | undefined {
  const sum = new Float32Array(embedder.dimensions);
  embedder.accumulate(splitIdentifiers(text), sum, MOST_TOKENS.query);
  return normalise(sum) ? sum : undefined;
}
