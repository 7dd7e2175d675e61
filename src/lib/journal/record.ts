import { sha256 } from '../hash.js';

/** One line of a journal: a hash over the line before it and over itself, then the record as JSON. */
export interface Line {
  readonly hash: string;
  readonly json: string;
  readonly record: JournalRecord;
}

export interface JournalRecord {
  /** Counts from 1, through all files. */
  readonly n: number;
  /** ISO 8601. */
  readonly t: string;
  /** What happened. `continues`, `torn` and `broken` are the journal's own. */
  readonly event: string;
  readonly [key: string]: unknown;
}

/** Where the journal ends, noted apart from it, so that a missing end can be seen. */
export interface Head {
  readonly n: number;
  readonly hash: string;
  /** The oldest file that is kept, and the newest. */
  readonly first: string;
  readonly last: string;
}

export const ORIGIN = '0'.repeat(64);
export const HEAD_FILE = 'head.json';
export const LOCK_FILE = 'journal.lock';
const FILE = /^\d{6}\.log$/;

export const isJournalFile = (name: string): boolean => FILE.test(name);
export const fileName = (index: number): string => `${String(index).padStart(6, '0')}.log`;

export const hashOf = (before: string, json: string): string => sha256(`${before} ${json}`);

/** Undefined for what is no line of a journal. */
export function parseLine(text: string): Line | undefined {
  const hash = text.slice(0, 64);
  if (!/^[0-9a-f]{64}$/.test(hash) || text[64] !== ' ') return undefined;
  const json = text.slice(65);
  try {
    const record = JSON.parse(json) as JournalRecord;
    return Number.isSafeInteger(record.n) && typeof record.t === 'string' && typeof record.event === 'string'
      ? { hash, json, record }
      : undefined;
  } catch {
    return undefined;
  }
}

export function parseHead(text: string): Head | undefined {
  try {
    const head = JSON.parse(text) as Head;
    const isHead =
      Number.isSafeInteger(head.n) &&
      /^[0-9a-f]{64}$/.test(head.hash) &&
      isJournalFile(head.first) &&
      isJournalFile(head.last);
    return isHead ? head : undefined;
  } catch {
    return undefined;
  }
}
