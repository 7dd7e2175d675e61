/** Keeps the last `capacity` bytes of what is written to it. */
export class ByteRing {
  readonly capacity: number;
  #chunks: Uint8Array[] = [];
  #held = 0;
  #total = 0;

  constructor(capacity: number) {
    if (!(capacity >= 1)) throw new RangeError(`capacity must be at least 1 byte, not ${capacity}`);
    this.capacity = capacity;
  }

  /** Bytes ever written. */
  get total(): number {
    return this.#total;
  }

  write(chunk: Uint8Array): void {
    this.#total += chunk.byteLength;
    // Copied: a short piece of a large chunk would keep all of it alive.
    const piece = Uint8Array.prototype.slice.call(chunk, Math.max(0, chunk.byteLength - this.capacity));
    this.#chunks.push(piece);
    this.#held += piece.byteLength;
    while (this.#held - (this.#chunks[0]?.byteLength ?? 0) >= this.capacity) {
      this.#held -= this.#chunks.shift()?.byteLength ?? 0;
    }
    // Many tiny writes would otherwise cost more in list than in bytes.
    if (this.#chunks.length > 1_024) {
      this.#chunks = [this.bytes()];
      this.#held = this.#chunks[0]?.byteLength ?? 0;
    }
  }

  /** The last bytes, at most `capacity`. */
  bytes(): Buffer {
    const all = Buffer.concat(this.#chunks);
    return all.subarray(Math.max(0, all.byteLength - this.capacity));
  }
}
