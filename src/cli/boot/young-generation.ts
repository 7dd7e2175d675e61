import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

type Flags = Readonly<Record<string, number>>;

const GROWTH = '--semi-space-growth-factor';
/**
 * V8's own way (0 is unset), which stands while the command is loaded: Node brings its own modules compiled under that, and
 * under any other flag V8 compiles each of them anew, which made a start of the engine 60 ms longer.
 */
const AT_START = { [GROWTH]: 2, '--heap-growing-percent': 0 } as const;
const SMALL = 1;
/** The loader and the command that it loads are bundles of their own, with a copy of this module each. */
const NOW = Symbol.for('mcp-runtime.heap-flags');
type Shared = { [NOW]?: Flags };

/**
 * From now on V8's young generation does not grow. Small, 1 MiB and as much to copy into, it is made when memory is given back for
 * the first time (`idle-memory.ts`); V8 itself gives nothing of it back before it was idle for long. It costs a front-end nothing
 * to speak of. Nothing for who let it grow before. An unknown flag is passed over by V8.
 */
export function keepYoungSmall(): void {
  if (now()[GROWTH] === undefined) set(GROWTH, SMALL);
}

/** Of both halves, as V8 counts it at its first size. */
const FIRST_BYTES = 2 * 1_048_576;
/**
 * Too short for a busy process to grow it twice: at 120 MB/s, as an engine allocates with 64 calls under way, 1 MiB is full after
 * 8 ms and 4 after 33. One that is less busy may need several looks to grow it once.
 */
const GROWING_MS = 15;

/**
 * For who is busy and kept small: from its first size to four times that, once. What its calls hold is copied at each collection,
 * and with 64 of them under way a collection every hundred calls was a fifth of a front-end's time. With V8's own 16 MiB the
 * calls of an engine cost as much, and it keeps up to 30 more. Made small again when it is idle (`idle-memory.ts`).
 */
export function letYoungGrowOnce(): void {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  if (now()[GROWTH] !== SMALL || young === undefined || young.space_size > FIRST_BYTES) return;
  set(GROWTH, 4);
  setTimeout(() => {
    if (now()[GROWTH] === 4) set(GROWTH, SMALL);
  }, GROWING_MS).unref();
}

/** For who has more to do than to pass messages on: from now on V8 lets it grow as usual. */
export function letYoungGrow(): void {
  set(GROWTH, AT_START[GROWTH]);
}

/**
 * For an engine: the next collection of the whole heap comes when it has grown to two and a half times what is alive. V8
 * itself waits for a tenth, and counts the bytes of a message that has just been read: with a catalog and a tokenizer in the
 * heap, each result of a few megabytes then made it collect for 45 ms.
 */
export function collectSeldom(): void {
  set('--heap-growing-percent', 150);
}

/**
 * Does `work`, a collection, under the flag with which V8 also makes its young generation small. That flag sets another one
 * to 1 and leaves it so, which is set back here: else what is compiled is noted under flags that no start has.
 */
export function shrinkingYoung(work: () => void): void {
  setFlagsFromString('--optimize-for-size');
  try {
    work();
  } finally {
    setFlagsFromString('--no-optimize-for-size');
    setFlagsFromString(`--max-semi-space-size=${givenYoung()}`);
  }
}

/** What this process was started with, MiB; 0 is V8's own way. Of several the last counts. */
function givenYoung(): string {
  const given = [process.env['NODE_OPTIONS'] ?? '', ...process.execArgv].join(' ');
  return [...given.matchAll(/--max[-_]semi[-_]space[-_]size[= ]"?(\d+)/g)].at(-1)?.[1] ?? '0';
}

/**
 * Does `work` with the flags of a start. V8 notes its flags in what it compiled and takes none of it back under other
 * flags: what is kept while they are others would be refused at every start.
 */
export function asAtStart<T>(work: () => T): T {
  const others = Object.entries(AT_START).filter(([name, value]) => (now()[name] ?? value) !== value);
  for (const [name, value] of others) setFlagsFromString(`${name}=${value}`);
  try {
    return work();
  } finally {
    for (const [name] of others) setFlagsFromString(`${name}=${now()[name]}`);
  }
}

const now = (): Flags => (globalThis as Shared)[NOW] ?? {};

function set(name: string, value: number): void {
  (globalThis as Shared)[NOW] = { ...now(), [name]: value };
  setFlagsFromString(`${name}=${value}`);
}
