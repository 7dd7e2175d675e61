import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  fileName,
  HEAD_FILE,
  hashOf,
  isJournalFile,
  type JournalRecord,
  ORIGIN,
  parseHead,
  parseLine,
} from './record.js';

export interface Verdict {
  readonly records: number;
  /** Of the first and the last record that are there. */
  readonly from: number;
  readonly to: number;
  /** Of the last record: who notes it elsewhere can later ask whether it is still in the journal. */
  readonly hash: string;
  /** What does not fit, for people; none when all is as it was written. */
  readonly problems: readonly string[];
}

const MOST_PROBLEMS = 20;

/** Files of a journal, oldest first; none where there is no such directory. */
export async function journalFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.filter(isJournalFile).sort();
}

/** Every record that can be read, oldest first. */
export async function* readJournal(directory: string): AsyncGenerator<JournalRecord> {
  for (const file of await journalFiles(directory))
    for await (const text of linesOf(join(directory, file))) {
      const line = parseLine(text);
      if (line) yield line.record;
    }
}

/**
 * Looks whether a journal is as it was written: every record in its place and unchanged, none missing, at the end
 * neither. Who may write all of its files and works out every hash anew is not found, unless `known` is given.
 * @param known a hash that was told earlier.
 */
export async function verifyJournal(directory: string, known?: string): Promise<Verdict> {
  const problems: string[] = [];
  const tell = (problem: string) => {
    if (problems.length < MOST_PROBLEMS) problems.push(problem);
  };
  const head = parseHead(await readFile(join(directory, HEAD_FILE), 'utf8').catch(() => ''));
  const files = await journalFiles(directory);
  let records = 0;
  let from = 0;
  let to = 0;
  let hash = ORIGIN;
  let sawHead = head?.n === 0;
  let sawKnown = known === undefined || known === ORIGIN;
  let torn: string | undefined;
  for (const [index, file] of files.entries()) {
    const before = files[index - 1];
    if (before !== undefined && file !== fileName(Number.parseInt(before, 10) + 1))
      tell(`Between ${before} and ${file} a file is missing.`);
    let at = 0;
    for await (const text of linesOf(join(directory, file))) {
      at += 1;
      const place = `${file}:${at}`;
      const line = parseLine(text);
      if (!line) {
        if (torn !== undefined) tell(`${torn} cannot be read.`);
        torn = place;
        continue;
      }
      const { record } = line;
      // A process that was killed while it wrote leaves half a line; the next one says so.
      if (torn !== undefined && record.event !== 'torn') tell(`${torn} cannot be read.`);
      torn = undefined;
      if (records === 0) {
        from = record.n;
        if (record.n !== 1 && record.event !== 'continues')
          tell(`${place}: the records before it are missing.`);
        hash = record.event === 'continues' ? String(record['after']) : ORIGIN;
        to = record.n - 1;
      }
      if (record.n !== to + 1) tell(`${place}: record ${record.n} stands behind ${to}.`);
      if (line.hash !== hashOf(hash, line.json)) tell(`${place}: record ${record.n} was changed or moved.`);
      if (record.event === 'broken') tell(`${place}: ${String(record['why'])}`);
      records += 1;
      to = record.n;
      hash = line.hash;
      sawHead ||= head?.n === to && head.hash === hash;
      sawKnown ||= known === hash;
    }
  }
  if (torn !== undefined) tell(`${torn} cannot be read.`);
  if (!head && records > 0) tell(`${HEAD_FILE} is missing, so nobody can say where the journal ended.`);
  if (head && !sawHead) tell(`The journal went up to record ${head.n}; that is not in it any more.`);
  if (head && files[0] !== undefined && files[0] > head.first) tell(`The file ${head.first} is missing.`);
  if (!sawKnown) tell('The record of the hash that was given is not in the journal.');
  return { records, from, to, hash, problems };
}

function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY });
}
