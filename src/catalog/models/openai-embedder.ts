import { z } from 'zod';
import { EndpointError, type OpenAiEndpoint, postJson } from '../../lib/openai-endpoint.js';
import type { Embedder } from '../search/index.js';

export interface OpenAiEmbedderOptions {
  readonly endpoint: OpenAiEndpoint;
  /** `EMBEDDING_MODEL_NAME` */
  readonly model: string;
  /** `DIMENSIONS`: asked of the model; without it the model's own number is found out. */
  readonly dimensions?: number | undefined;
  /** Ends all questions. */
  readonly signal: AbortSignal;
}

const AT_ONCE = 64;
const answer = z.object({
  data: z.array(z.object({ index: z.number().int().min(0).optional(), embedding: z.array(z.number()) })),
});

/** An embedder over `/embeddings`. Rejects when the endpoint does not answer; ask again later. */
export async function openOpenAiEmbedder(options: OpenAiEmbedderOptions): Promise<Embedder> {
  const { endpoint, model, signal } = options;
  const ask = async (input: readonly string[]): Promise<Float32Array[]> => {
    const body = {
      model,
      input,
      encoding_format: 'float',
      ...(options.dimensions === undefined ? {} : { dimensions: options.dimensions }),
    };
    return vectorsOf(await postJson(endpoint, 'embeddings', body, signal), input.length);
  };
  const [probe] = await ask(['dimensions']);
  const dimensions = probe?.length ?? 0;
  if (dimensions === 0) throw new EndpointError('The endpoint gives empty vectors.', false);
  return {
    // Vectors of another endpoint's model of the same name may differ.
    id: `openai:${new URL(endpoint.baseUrl).host}/${model}:${dimensions}`,
    dimensions,
    embed: async (texts) => {
      const vectors: Float32Array[] = [];
      for (let from = 0; from < texts.length; from += AT_ONCE)
        // An empty text is an error to OpenAI, and means nothing anyway.
        vectors.push(...(await ask(texts.slice(from, from + AT_ONCE).map((text) => text || ' '))));
      return vectors;
    },
  };
}

/** In the order of the texts, which is what `index` says where it is given. */
function vectorsOf(json: unknown, count: number): Float32Array[] {
  const read = answer.safeParse(json);
  if (!read.success || read.data.data.length !== count)
    throw new EndpointError('The endpoint does not answer with one vector for each text.', false);
  const vectors: Float32Array[] = [];
  for (const [place, { index = place, embedding }] of read.data.data.entries())
    vectors[index] = Float32Array.from(embedding);
  if (vectors.length !== count || vectors.includes(undefined as never))
    throw new EndpointError('The endpoint numbers its vectors wrongly.', false);
  return vectors;
}
