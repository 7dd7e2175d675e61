// Assembled by scripts/embedder/scan-kernel.mjs, where it can be read.
const CODE =
  'AGFzbQEAAAABCQFgBX9/f39/AAIIAQFtAW0CAAEDAgEABwgBBHNjYW4AAAqGAQGDAQICfwF7AkADQCABIAJPDQH9DAAAAAAAAAAAAAAAAAAAAAAhByAAIQUgASADaiEGA0AgByAB/QEAACAF/QAAAP26Af2uASEHIAVBEGohBSABQQhqIgEgBkkNAAsgBCAH/RsAIAf9GwFqIAf9GwJqIAf9GwNqNgIAIARBBGohBAwACwsL';
/** The part of WebAssembly used here; types of the language do not have it without those of browsers. */
interface Wasm {
  readonly Memory: new (size: {
    initial: number;
  }) => {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  };
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
}
type Scan = (query: number, vector: number, end: number, bytes: number, out: number) => void;

const PAGE = 65_536;
const LONGEST = 4_096;
const QUERY_BYTES = 2 * LONGEST;
const VECTORS_AT = PAGE;

/** Vectors of bytes in one block of memory, and the inner products of all of them with one query. */
export interface ByteScan {
  /** The bytes of vector `slot`; void after the next `reserve`. */
  at(slot: number): Int8Array;
  /** Makes room for `slots` vectors; what is there stays. */
  reserve(slots: number): void;
  /** Products of `query` with the vectors `from`..`to`, at most `MOST_AT_ONCE` of them; void after the next call. */
  products(query: Int8Array, from: number, to: number): Int32Array;
}

/** How many products are made at once: the room for them is set aside. */
export const MOST_AT_ONCE = (VECTORS_AT - QUERY_BYTES) / 4;

/** An empty block for vectors of `dimensions`; `simd` false asks for the slow way, as where WebAssembly is forbidden. */
export function createByteScan(dimensions: number, simd = true): ByteScan {
  const bytes = 8 * Math.ceil(dimensions / 8);
  return (simd && bytes <= LONGEST ? fastScan(bytes) : undefined) ?? plainScan(bytes);
}

function fastScan(bytes: number): ByteScan | undefined {
  const parts = instance();
  if (parts === undefined) return undefined;
  const { memory, scan } = parts;
  return {
    at: (slot) => new Int8Array(memory.buffer, VECTORS_AT + slot * bytes, bytes),
    reserve(slots) {
      const missing = VECTORS_AT + slots * bytes - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    },
    products(query, from, to) {
      new Int16Array(memory.buffer, 0, bytes).set(query);
      scan(0, VECTORS_AT + from * bytes, VECTORS_AT + to * bytes, bytes, QUERY_BYTES);
      return new Int32Array(memory.buffer, QUERY_BYTES, to - from);
    },
  };
}

let module: object | undefined;

/** Undefined where there is no WebAssembly, no SIMD, or no address space left for another memory. */
function instance() {
  const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly?: Wasm };
  if (wasm === undefined) return undefined;
  try {
    module ??= new wasm.Module(Buffer.from(CODE, 'base64'));
    const memory = new wasm.Memory({ initial: 1 });
    const { exports } = new wasm.Instance(module, { m: { m: memory } });
    return { memory, scan: exports['scan'] as Scan };
  } catch {
    return undefined;
  }
}

function plainScan(bytes: number): ByteScan {
  let vectors = new Int8Array(0);
  const out = new Int32Array(MOST_AT_ONCE);
  return {
    at: (slot) => vectors.subarray(slot * bytes, (slot + 1) * bytes),
    reserve(slots) {
      if (slots * bytes <= vectors.length) return;
      const more = new Int8Array(slots * bytes);
      more.set(vectors);
      vectors = more;
    },
    products(query, from, to) {
      for (let slot = from; slot < to; slot++) out[slot - from] = product(vectors, slot * bytes, query);
      return out.subarray(0, to - from);
    },
  };
}

function product(vectors: Int8Array, offset: number, query: Int8Array): number {
  let sum = 0;
  for (let i = 0; i < query.length; i++) {
    sum = (sum + Math.imul(vectors[offset + i] as number, query[i] as number)) | 0;
  }
  return sum;
}
