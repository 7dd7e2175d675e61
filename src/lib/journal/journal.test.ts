import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JournalRecord } from './record.js';
import { readJournal, verifyJournal } from './verify.js';
import { Journal } from './writer.js';

let directory = '';
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'mcprt-journal-')), 'audit');
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

const journal = (maxBytes = 1_000_000) =>
  new Journal({
    directory,
    maxBytes,
    gatherMs: 5,
    onError: (error) => {
      throw error;
    },
  });
async function write(count: number, into = journal(), word = 'call'): Promise<Journal> {
  for (let n = 0; n < count; n += 1) into.add(() => ({ event: word, at: Date.now(), facts: { number: n } }));
  await into.flush();
  return into;
}
async function records(): Promise<JournalRecord[]> {
  const all: JournalRecord[] = [];
  for await (const record of readJournal(directory)) all.push(record);
  return all;
}
const file = (name = '000001.log') => join(directory, name);
const edit = (change: (lines: string[]) => string[], name?: string) => {
  const lines = readFileSync(file(name), 'utf8').split('\n').slice(0, -1);
  writeFileSync(file(name), `${change(lines).join('\n')}\n`);
};

describe('a journal', () => {
  it('is whole as it was written, by several writers and after a new start; closed to others', async () => {
    const [one, two] = [journal(), journal()];
    for (let round = 0; round < 3; round += 1) await Promise.all([write(5, one), write(5, two, 'other')]);
    await write(5);
    const verdict = await verifyJournal(directory);
    expect(verdict).toMatchObject({ records: 35, from: 1, to: 35, problems: [] });
    expect((await records()).map(({ n }) => n)).toEqual(Array.from({ length: 35 }, (_, index) => index + 1));
    for (const name of readdirSync(directory)) expect(statSync(file(name)).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  it('AUD-01: a changed, a missing, an added and a moved record are found, and where', async () => {
    const changes: [string, (lines: string[]) => string[], RegExp][] = [
      [
        'changed',
        (lines) => lines.map((line, at) => (at === 4 ? line.replace('"number":4', '"number":5') : line)),
        /:5: record 5 was changed/,
      ],
      ['missing', (lines) => lines.filter((_, at) => at !== 4), /record 6 stands behind 4/],
      [
        'twice',
        (lines) => [...lines.slice(0, 5), lines[4] ?? '', ...lines.slice(5)],
        /record 5 stands behind 5/,
      ],
      [
        'moved',
        (lines) => [...lines.slice(0, 4), lines[5] ?? '', lines[4] ?? '', ...lines.slice(6)],
        /record 6 stands behind 4/,
      ],
      ['from the start', (lines) => lines.slice(3), /the records before it are missing/],
      ['noise', (lines) => [...lines.slice(0, 4), 'noise', ...lines.slice(4)], /:5 cannot be read/],
      ['the end', (lines) => lines.slice(0, 7), /went up to record 10/],
      ['all of it', () => [], /went up to record 10/],
    ];
    for (const [what, change, why] of changes) {
      rmSync(directory, { recursive: true, force: true });
      await write(10);
      edit(change);
      expect((await verifyJournal(directory)).problems.join(' '), what).toMatch(why);
    }
  });

  it('AUD-02: what was taken away from the end stays found after the next one wrote on', async () => {
    await write(10);
    edit((lines) => lines.slice(0, 6));
    await write(10);
    expect((await verifyJournal(directory)).problems.join(' ')).toMatch(
      /up to record 10, and was found to end with 6/,
    );

    rmSync(file());
    await write(3);
    expect((await verifyJournal(directory)).problems.join(' ')).toMatch(
      /all files up to record 17 were gone/,
    );
    rmSync(join(directory, 'head.json'));
    expect((await verifyJournal(directory)).problems.join(' ')).toMatch(/head.json is missing/);
  });

  it('AUD-03: half a line that a killed writer left is no fault, and nothing before it is lost', async () => {
    await write(5);
    appendFileSync(file(), `${'a'.repeat(64)} {"n":6,"t":"20`);
    await write(5);
    expect(await verifyJournal(directory)).toMatchObject({ records: 11, to: 11, problems: [] });
    // A torn line in the place of one that was there is one.
    edit((lines) => lines.map((line, at) => (at === 2 ? line.slice(0, 70) : line)));
    expect((await verifyJournal(directory)).problems).not.toEqual([]);
    // Cut in the middle of what was noted.
    rmSync(directory, { recursive: true, force: true });
    await write(5);
    truncateSync(file(), statSync(file()).size - 10);
    await write(1);
    expect((await verifyJournal(directory)).problems.join(' ')).toMatch(/went up to record 5/);
  });

  it('AUD-04: keeps to its size, and the chain through all files', async () => {
    const writer = journal(40_000);
    for (let round = 0; round < 20; round += 1) await write(50, writer);
    const files = readdirSync(directory).filter((name) => name.endsWith('.log'));
    expect(files).toHaveLength(4);
    expect(files.reduce((sum, name) => sum + statSync(file(name)).size, 0)).toBeLessThan(45_000);
    const verdict = await verifyJournal(directory);
    expect(verdict.problems).toEqual([]);
    expect(verdict.from).toBeGreaterThan(1);
    const [oldest = '', second = ''] = files;
    const kept = readFileSync(file(oldest));
    rmSync(file(oldest));
    expect((await verifyJournal(directory)).problems.join(' ')).toContain(`${oldest} is missing`);
    writeFileSync(file(oldest), kept);
    rmSync(file(second));
    expect((await verifyJournal(directory)).problems.join(' ')).toMatch(/a file is missing/);
  });

  it('AUD-08: loses nothing that comes while it writes', async () => {
    const writer = journal();
    let added = 0;
    const add = () => {
      added += 1;
      writer.add(() => ({ event: 'call', at: Date.now(), facts: {} }));
    };
    for (let round = 0; round < 5; round += 1) {
      add();
      let isWriting = true;
      const written = writer.flush().then(() => {
        isWriting = false;
      });
      for (let more = 0; isWriting && more < 100; more += 1) {
        add();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await written;
    }
    await writer.flush();
    expect(added).toBeGreaterThan(15);
    expect(await verifyJournal(directory)).toMatchObject({ records: added, problems: [] });
  });

  it('AUD-05: a hash that was kept elsewhere finds a journal that was written anew', async () => {
    await write(10);
    const { hash } = await verifyJournal(directory);
    await write(5);
    expect((await verifyJournal(directory, hash)).problems).toEqual([]);
    rmSync(directory, { recursive: true, force: true });
    await write(15);
    expect((await verifyJournal(directory)).problems).toEqual([]);
    expect((await verifyJournal(directory, hash)).problems.join(' ')).toMatch(/not in the journal/);
  });

  it('an empty one is whole', async () => {
    expect(await verifyJournal(directory)).toMatchObject({ records: 0, problems: [] });
  });
});
