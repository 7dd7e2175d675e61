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
