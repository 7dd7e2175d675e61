import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation at its first size, 1 MiB and as much to copy into: a start lets it grow to 8 and 8, of which
 * V8 gives nothing back before it was idle for long. It costs a front-end nothing to speak of, and a start neither.
 * An unknown flag is passed over by V8.
 */
export function keepYoungSmall(): void {
  growBy(1);
}

/** For who has more to do than to pass messages on: from now on V8 lets it grow as usual. */
export function letYoungGrow(): void {
  growBy(2);
}

/**
 * Does `work` with the flags of a start. V8 notes its flags in what it compiled and takes none of it back under other
 * flags: what is kept while the young generation may grow would be refused at every start.
 */
export function asAtStart<T>(work: () => T): T {
  const before = (globalThis as Shared)[FACTOR] ?? 1;
  growBy(1);
  try {
    return work();
  } finally {
    growBy(before);
  }
}

/** The loader and the command that it loads are bundles of their own, with a copy of this module each. */
const FACTOR = Symbol.for('mcp-runtime.young-generation');
type Shared = { [FACTOR]?: number };

function growBy(factor: number): void {
  (globalThis as Shared)[FACTOR] = factor;
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

/**
 * For an engine: the next collection of the whole heap comes when it has grown to two and a half times what is alive. V8
 * itself waits for a tenth, and counts the bytes of a message that has just been read: with a catalog and a tokenizer in the
 * heap, each result of a few megabytes then made it collect for 45 ms.
 */
export function collectSeldom(): void {
  setFlagsFromString('--heap-growing-percent=150');
}
