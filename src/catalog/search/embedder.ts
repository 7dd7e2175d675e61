/** Turns texts into vectors. Implementations: the shipped table, a local model, a remote endpoint. */
export interface Embedder {
  /** Names model and version: vectors of different ids are never compared. */
  readonly id: string;
  readonly dimensions: number;
  /** One vector for each text, in order. May reject; search then goes on without it. */
  embed(texts: readonly string[], kind: 'query' | 'document'): Promise<Float32Array[]>;
}
