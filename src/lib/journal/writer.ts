import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic-file.js';
import { Breather } from '../breather.js';
import { withFileLock } from '../file-lock.js';
import { ensurePrivateDir } from '../private-dir.js';
import {
  fileName,
  HEAD_FILE,
  type Head,
  hashOf,
  type Line,
  LOCK_FILE,
  ORIGIN,
  parseHead,
  parseLine,
} from './record.js';
import { journalFiles } from './verify.js';

/** What is to be written; number and hash are the journal's. */
export interface Entry {
  readonly event: string;
  /** Ms since the epoch. */
  readonly at: number;
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface JournalOptions {
  readonly directory: string;
  /** Bytes of all files together, roughly; the oldest quarter goes when a new one begins. */
  readonly maxBytes: number;
  /** Ms that records are gathered before they are written together. */
  readonly gatherMs: number;
  onError(error: unknown): void;
}

/** Records that wait for a disk that takes nothing; what comes after them is counted alone. */
const MOST_WAITING = 10_000;
/** So many records are printed at once, or those of so many ms. */
const PRINT_AT = 64;
const PRINT_MS = 20;
const FILES = 4;
/** Longer than any line, so that the end of a file is found in it. */
const TAIL_BYTES = 65_536;
const LOCK_MS = 10_000;

/**
 * A file that is only added to, each line tied by its hash to the one before. Several processes may write to it, one at
 * a time. `add` costs nothing that could be felt; a process that is killed loses what it gathered.
 */
export class Journal {
  readonly #options: JournalOptions;
  /** Added a moment ago. */
  readonly #fresh: (() => Entry)[] = [];
  #soon: NodeJS.Timeout | undefined;
  /** Printed but for their numbers. */
  #waiting: string[] = [];
  /** How many are being written; what comes meanwhile waits. */
  #inWrite = 0;
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** The end as this process wrote it last. */
  #end: { readonly head: Head; readonly size: number } | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** @param entry asked for soon, behind what is under way. */
  add(entry: () => Entry): void {
    if (this.#inWrite + this.#waiting.length + this.#fresh.length >= MOST_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#fresh.push(entry);
    // Not asked for when it is written: until then it would keep the call alive, and thousands wait for that. Many at once,
    // since a turn of the event loop for each call costs more than the record, and behind the writes of their turn, so that
    // nobody waits for it.
    if (this.#fresh.length === PRINT_AT) setImmediate(setImmediate, this.#print);
    else if (this.#fresh.length === 1) this.#soon = setTimeout(this.#print, PRINT_MS).unref();
    this.#timer ??= setTimeout(() => void this.flush(), this.#options.gatherMs).unref();
  }

  /** Resolves when what was added before is written, or could not be. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  readonly #print = (): void => {
    clearTimeout(this.#soon);
    // Not a new list in its place: the old one would, even as garbage, keep the calls that its entries know.
    for (const entry of this.#fresh.splice(0)) {
      try {
        this.#waiting.push(printed(entry()));
      } catch (error) {
        this.#lost += 1;
        this.#options.onError(error);
      }
    }
  };

  async #write(): Promise<void> {
    this.#print();
    const batch = this.#waiting;
    if (batch.length === 0) return;
    this.#waiting = [];
    this.#inWrite = batch.length;
    const lost = this.#lost;
    const { directory } = this.#options;
    try {
      await ensurePrivateDir(directory);
      const patience = AbortSignal.timeout(LOCK_MS);
      await withFileLock(join(directory, LOCK_FILE), patience, () => this.#append(batch, lost));
      this.#lost -= lost;
    } catch (error) {
      // Kept, and tried again with what comes next. What was written half is seen as such then.
      this.#waiting = [...batch, ...this.#waiting];
      this.#end = undefined;
      this.#options.onError(error);
    } finally {
      this.#inWrite = 0;
    }
  }

  async #append(batch: readonly string[], lost: number): Promise<void> {
    const { directory, maxBytes } = this.#options;
    let { head, extra, size } = await this.#open();
    let file = await open(join(directory, head.last), 'a', 0o600);
    try {
      const records = [...extra.map(printed), ...batch];
      if (lost > 0) records.push(printed(own('lost', { records: lost })));
      let text = '';
      let { n, hash } = head;
      const put = (record: string) => {
        n += 1;
        const json = `{"n":${n},${record}`;
        hash = hashOf(hash, json);
        text += `${hash} ${json}\n`;
      };
      const breather = new Breather();
      for (const record of records) {
        if (breather.isDue) await breather.pause();
        if (size + text.length >= maxBytes / FILES) {
          await file.appendFile(text);
          await file.close();
          ({ head, file } = await this.#rotate({ ...head, n, hash }));
          text = '';
          size = 0;
          put(printed(own('continues', { after: hash })));
        }
        put(record);
      }
      head = { ...head, n, hash };
      await file.appendFile(text);
      ({ size } = await file.stat());
    } finally {
      await file.close().catch(() => {});
    }
    await this.#note(head);
    this.#end = { head, size };
  }

  /** Where to go on, and what has to be said first of how it was found. */
  async #open(): Promise<{ head: Head; extra: Entry[]; size: number }> {
    const { directory } = this.#options;
    const files = await journalFiles(directory);
    const last = files.at(-1);
    const noted = parseHead(await readFile(join(directory, HEAD_FILE), 'utf8').catch(() => ''));
    const [first = fileName(1)] = files;
    if (last === undefined) {
      const head: Head = noted ?? { n: 0, hash: ORIGIN, first, last: first };
      // Noted before the first record, so that one that is missing later was taken away.
      if (!noted) await this.#note(head);
      if (head.n === 0) return { head, extra: [], size: 0 };
      const next = { ...head, first: fileName(Number.parseInt(head.last, 10) + 1) };
      const extra = [
        own('continues', { after: head.hash }),
        broken(`all files up to record ${head.n} were gone`),
      ];
      return { head: { ...next, last: next.first }, extra, size: 0 };
    }
    const path = join(directory, last);
    // As this process left it.
    if (this.#end?.head.last === last && this.#end.size === (await stat(path)).size)
      return { head: this.#end.head, extra: [], size: this.#end.size };
    const { line, size, whole } = await tailOf(path);
    const extra: Entry[] = [];
    if (!whole) {
      const file = await open(path, 'a', 0o600);
      await file.appendFile('\n').finally(() => file.close());
      extra.push(own('torn', {}));
    }
    const found = { n: line?.record.n ?? 0, hash: line?.hash ?? ORIGIN };
    if (!noted) extra.push(broken('the note of where it ended was gone'));
    else if (found.n < noted.n || (found.n === noted.n && found.hash !== noted.hash))
      extra.push(broken(`it went up to record ${noted.n}, and was found to end with ${found.n}`));
    return { head: { ...found, first, last }, extra, size: size + (whole ? 0 : 1) };
  }

  async #rotate(head: Head): Promise<{ head: Head; file: FileHandle }> {
    const { directory } = this.#options;
    const last = fileName(Number.parseInt(head.last, 10) + 1);
    const file = await open(join(directory, last), 'ax', 0o600);
    const files = await journalFiles(directory);
    const kept = files.slice(-FILES);
    const next = { ...head, first: kept[0] ?? last, last };
    // First the note: a file that it does not count on may be missing.
    await this.#note(next);
    for (const old of files.slice(0, -FILES)) await rm(join(directory, old), { force: true });
    return { head: next, file };
  }

  #note(head: Head): Promise<void> {
    const { n, hash, first, last } = head;
    const text = `${JSON.stringify({ n, hash, first, last })}\n`;
    return writeFileAtomic(join(this.#options.directory, HEAD_FILE), text, { sync: false });
  }
}

/** What the journal says of itself. */
const own = (event: string, facts: Entry['facts']): Entry => ({ event, at: Date.now(), facts });
const broken = (why: string): Entry => own('broken', { why: `The journal was changed: ${why}.` });

/** A `JournalRecord` as JSON without its number. Piece by piece: to join the objects first took longer than all the rest. */
function printed({ event, at, facts }: Entry): string {
  const rest = JSON.stringify(facts);
  const head = `"t":"${isoTime(at)}","event":${JSON.stringify(event)}`;
  return rest === '{}' ? `${head}}` : `${head},${rest.slice(1)}`;
}

let second = Number.NaN;
let secondText = '';

/** As `toISOString`, which costs as much as the rest of a record: most are of the same second as the one before. */
function isoTime(at: number): string {
  const now = Math.floor(at / 1_000);
  if (now !== second) {
    second = now;
    secondText = new Date(now * 1_000).toISOString().slice(0, -4);
  }
  return `${secondText}${String(at - now * 1_000).padStart(3, '0')}Z`;
}

/** The last line that can be read, and whether the file ends with a whole one. */
async function tailOf(path: string): Promise<{ line: Line | undefined; size: number; whole: boolean }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - TAIL_BYTES);
    const bytes = Buffer.alloc(size - from);
    await file.read(bytes, 0, bytes.length, from);
    const text = bytes.toString('utf8');
    let line: Line | undefined;
    for (const candidate of text.split('\n').reverse()) {
      line = parseLine(candidate);
      if (line !== undefined) break;
    }
    return { line, size, whole: size === 0 || text.endsWith('\n') };
  } finally {
    await file.close();
  }
}
