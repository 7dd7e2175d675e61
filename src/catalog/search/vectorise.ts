import type { DocumentFields } from './document.js';
import type { StaticEmbedder } from './static-table.js';
import { addScaled, normalise } from './vector.js';

// A long description says less with each token, and learning has to stay fast whatever an upstream sends.
const MOST_TOKENS = { name: 24, first: 60, description: 200, parameters: 60, server: 60, query: 256 };
const WEIGHTS = { name: 0.2, first: 0.2, described: 0.2, withParameters: 0.2, all: 0.1, server: 0.15 };
const SENTENCE_END = /[.\n](?:\s|$)/;

/**
 * The vector of a tool: its name, with the first sentence, with all of the description, with the parameters' names,
 * with the server; and the server alone. Each is brought to length one first, so that no long part drowns the name.
 */
export function documentVector(fields: DocumentFields, embedder: StaticEmbedder): Float32Array | undefined {
  const running = new Float32Array(embedder.dimensions);
  const vector = new Float32Array(embedder.dimensions);
  const take = (sum: Float32Array, weight: number): void => {
    const part = sum.slice();
    if (normalise(part)) addScaled(vector, part, weight);
  };
  const server = new Float32Array(embedder.dimensions);
  embedder.accumulate(`${fields.server} ${fields.serverText}`, server, MOST_TOKENS.server);
  take(server, WEIGHTS.server);
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
  addScaled(running, server, 1);
  take(running, WEIGHTS.all);
  return normalise(vector) ? vector : undefined;
}

/** The vector of a query, or undefined when the table knows none of its words. */
export function queryVector(text: string, embedder: StaticEmbedder): Float32Array | undefined {
  const sum = new Float32Array(embedder.dimensions);
  embedder.accumulate(text, sum, MOST_TOKENS.query);
  return normalise(sum) ? sum : undefined;
}
