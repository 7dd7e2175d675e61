import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation at its first size, 1 MiB and as much to copy into: a start lets it grow to 8 and 8, of which
 * V8 gives nothing back before it was idle for long. It costs a front-end nothing to speak of, and a start neither.
 * An unknown flag is passed over by V8.
 */
export function keepYoungSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** For who has more to do than to pass messages on: from now on V8 lets it grow as usual. */
export function letYoungGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
}

/**
 * For an engine: the next collection of the whole heap comes when it has grown to two and a half times what is alive. V8
 * itself waits for a tenth, and counts the bytes of a message that has just been read: with a catalog and a tokenizer in the
 * heap, each result of a few megabytes then made it collect for 45 ms.
 */
export function collectSeldom(): void {
  setFlagsFromString('--heap-growing-percent=150');
}
