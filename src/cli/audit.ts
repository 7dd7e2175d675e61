import { join } from 'node:path';
import { RuntimeError } from '../core/errors.js';
import { withFileLock } from '../lib/file-lock.js';
import { glob } from '../lib/glob.js';
import { type JournalRecord, LOCK_FILE } from '../lib/journal/record.js';
import { journalFiles, readJournal, verifyJournal } from '../lib/journal/verify.js';
import { printable } from '../lib/printable.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { createOutput, type Output } from './output.js';

export interface AuditFlags extends GlobalFlags {
  readonly verify: boolean;
  readonly known?: string | undefined;
  readonly server?: string | undefined;
  readonly tool?: string | undefined;
  readonly client?: string | undefined;
  readonly outcome?: string | undefined;
  readonly since?: string | undefined;
  readonly limit: number;
}

const VERIFY_MS = 60_000;

/** Shows who had what done, or looks whether the log is as it was written. @returns 0, or 15 when it is not. */
export async function audit(flags: AuditFlags): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  try {
    const directory = join(loadSettings(flags).settings.home, 'audit');
    return await (flags.verify ? verify(directory, flags.known, output) : show(directory, flags, output));
  } catch (error) {
    return output.failure(error);
  }
}

async function verify(directory: string, known: string | undefined, output: Output): Promise<number> {
  // Nobody has written: then there is no lock either, and nothing that could be wrong.
  const empty = (await journalFiles(directory)).length === 0;
  const look = () => verifyJournal(directory, known);
  const verdict = await (empty
    ? look()
    : withFileLock(join(directory, LOCK_FILE), AbortSignal.timeout(VERIFY_MS), look));
  const { records, from, to, hash, problems } = verdict;
  if (problems.length > 0) {
    return output.failure(
      new RuntimeError('AUDIT_BROKEN', `The audit log is not as it was written. ${problems.join(' ')}`, {
        hint: `Keep a copy of ${directory} and find out who changed it.`,
        data: { ...verdict },
      }),
    );
  }
  const range = records === 0 ? 'It is empty.' : `Records ${from} to ${to} are as they were written.`;
  const next = `Its hash is now ${hash}. Kept elsewhere, it shows later (--verify --known HASH) that nothing before was rewritten.`;
  await output.answer(`${range}\n${next}`, verdict);
  return 0;
}

async function show(directory: string, flags: AuditFlags, output: Output): Promise<number> {
  const wanted = filterOf(flags);
  const found: JournalRecord[] = [];
  for await (const record of readJournal(directory)) {
    if (!wanted(record)) continue;
    found.push(record);
    if (found.length > flags.limit) found.shift();
  }
  await output.answer(found.map(lineOf).join('\n') || 'Nothing is recorded.', { records: found });
  return 0;
}

function filterOf(flags: AuditFlags): (record: JournalRecord) => boolean {
  const since = flags.since === undefined ? undefined : new Date(flags.since);
  if (since && Number.isNaN(since.getTime()))
    throw new RuntimeError('INVALID_ARGUMENTS', `--since ${flags.since} is no date.`, {
      hint: 'Write it like 2026-11-22 or 2026-11-22T13:00.',
    });
  const tests = (['server', 'tool', 'client', 'outcome'] as const).flatMap((name) => {
    const pattern = flags[name];
    if (pattern === undefined) return [];
    const fits = glob(pattern);
    return [(record: JournalRecord) => fits(String(record[name] ?? ''))];
  });
  return (record) =>
    (since === undefined || record.t >= since.toISOString()) && tests.every((test) => test(record));
}

function lineOf({ n: _n, t, event, ...facts }: JournalRecord): string {
  const { server, tool, method, client, principal, outcome, ms, args, client_id: _id, ...rest } = facts;
  const what = [server, tool ?? method].filter((one) => one !== undefined).join('/');
  const more = { ...(args === undefined ? {} : { args }), ...rest };
  const words = [t, event, what, outcome, ms === undefined ? undefined : `${ms} ms`, client ?? principal];
  const shown = words.filter((word) => word !== undefined && word !== '').join('  ');
  return printable(Object.keys(more).length === 0 ? shown : `${shown}  ${JSON.stringify(more)}`);
}
