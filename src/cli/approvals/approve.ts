import type { Pin } from '../../catalog/pins/definition-pins.js';
import { suspicions } from '../../catalog/suspicion.js';
import { errorTable } from '../../core/error-table.js';
import { RuntimeError } from '../../core/errors.js';
import { exact } from '../../lib/escape.js';
import { type GlobalFlags, loadSettings } from '../environment.js';
import { confirmed } from '../index-entries/shown.js';
import { createOutput, type Output } from '../output.js';
import { withRuntime } from '../run-operation.js';
import { commandCaller } from '../runtime.js';
import { toolDiff } from './diff.js';
import { Ledger, type Waiting } from './ledger.js';

export interface ApproveFlags extends GlobalFlags {
  readonly tool?: string[];
  readonly yes?: boolean;
  readonly revoke?: boolean;
}

/**
 * Shows what waits for approval, whole and escaped, and approves exactly what was shown when a person, or --yes, says
 * so. Engines that run see it within a second. @returns the exit code.
 */
export async function approve(server: string | undefined, flags: ApproveFlags): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  let ledger: Ledger | undefined;
  try {
    const { settings } = loadSettings(flags);
    ledger = new Ledger(settings.home);
    if (server === undefined) {
      if (flags.revoke || flags.tool)
        throw new RuntimeError('INVALID_ARGUMENTS', 'Name the server too.', {
          hint: 'mcp-runtime approve SERVER --tool NAME, or --revoke.',
        });
      return await list(ledger.waiting(), output);
    }
    if (flags.revoke) return await revoke(ledger, server, flags.tool, output);
    const waiting = ledger.waiting(server, flags.tool);
    if (waiting.length > 0) return await decide(ledger, waiting, flags, output);
    if (settings.discovery && !flags.tool) return await approveOfIndex(server, flags);
    const nothing = `Nothing of ${exact(server)} waits for approval.`;
    await output.answer(nothing, { server, waiting: [], accepted: true });
    return 0;
  } catch (error) {
    return await output.failure(error);
  } finally {
    ledger?.close();
  }
}

async function list(waiting: readonly Waiting[], output: Output): Promise<number> {
  const servers = [...new Set(waiting.map((one) => one.server))];
  const lines = servers.map((server) => {
    const own = waiting.filter((one) => one.server === server);
    const what = own.map((one) => (one.kind === 'tool' ? exact(one.tool) : 'how it is started'));
    return `${exact(server)}: ${what.join(', ')}`;
  });
  await output.answer(
    lines.length === 0
      ? 'Nothing waits for approval.'
      : [...lines, 'mcp-runtime approve SERVER shows and approves.'].join('\n'),
    { waiting: waiting.map(facts) },
  );
  return 0;
}

async function revoke(
  ledger: Ledger,
  server: string,
  tools: readonly string[] | undefined,
  output: Output,
): Promise<number> {
  const count = ledger.revoke(server, tools);
  const text =
    count === 0
      ? `Nothing of ${exact(server)} was approved here.`
      : `Taken back: ${count} approvals of ${exact(server)}.`;
  await output.answer(text, { server, revoked: count });
  return count === 0 ? errorTable.SERVER_NOT_FOUND.exit : 0;
}

async function decide(
  ledger: Ledger,
  waiting: readonly Waiting[],
  flags: ApproveFlags,
  output: Output,
): Promise<number> {
  const lines = waiting.flatMap(shown);
  if (!flags.yes) output.note(lines.join('\n'));
  const accepted = flags.yes || (await confirmed('Approve this?'));
  const missed = accepted ? waiting.filter((one) => !ledger.approve(one)) : [];
  const facing = { server: waiting[0]?.server, waiting: waiting.map(facts), accepted };
  if (!accepted) {
    await output.answer('Nothing was approved. --yes approves without asking.', facing);
    return errorTable.FORBIDDEN.exit;
  }
  if (missed.length > 0)
    throw new RuntimeError('NOT_APPROVED', 'Some of it has changed again meanwhile and was not approved.', {
      hint: 'Look at it once more.',
    });
  await output.answer([...(flags.yes ? lines : []), 'Approved.'].join('\n'), facing);
  return 0;
}

/** A server of an index that nobody tried to start yet: the index is asked what it says. */
function approveOfIndex(server: string, flags: ApproveFlags): Promise<number> {
  return withRuntime(flags, async ({ port }, output, signal) => {
    const context = { caller: commandCaller('approve'), signal };
    const review = await port.review_server({ server_name: server }, context);
    const { now, before, hash } = review;
    const same = before !== undefined && JSON.stringify(before) === JSON.stringify(now);
    const lines = same
      ? [`${exact(server)} is started as it was approved`, ...pinLines(now)]
      : startLines(server, before, now);
    if (!same && !flags.yes) output.note(lines.join('\n'));
    const accepted = same || flags.yes === true || (await confirmed('Approve this?'));
    if (accepted && !same) await port.review_server({ server_name: server, accept: hash }, context);
    await output.answer(
      accepted ? [...lines, 'Approved.'].join('\n') : 'Nothing was approved. --yes approves without asking.',
      { ...review, accepted },
    );
    return accepted ? 0 : errorTable.FORBIDDEN.exit;
  });
}

function shown(one: Waiting): string[] {
  const where = one.served ? ' (of the index that is served here)' : '';
  if (one.kind === 'definition')
    return one.proposed ? startLines(one.server, one.approved, one.proposed) : [];
  const what = one.approved ? 'has changed' : 'is not approved';
  return [
    `The tool ${exact(one.tool)} of ${exact(one.server)}${where} ${what}`,
    ...toolDiff(one.approved, one.offered).map((line) => `  ${line}`),
    ...suspicions(one.offered).map((found) => `  ! ${found}`),
  ];
}

function startLines(server: string, before: Pin | undefined, now: Pin): string[] {
  return [
    ...(before ? [`${exact(server)} was approved to be started as`, ...pinLines(before)] : []),
    `${exact(server)} would be started as`,
    ...pinLines(now),
  ];
}

/** All of it, one thing a line. */
function pinLines({ command, args = [], cwd, env = [], url, headers = [] }: Pin): string[] {
  return [
    ...(command === undefined ? [] : [`  runs: ${[command, ...args].map(exact).join(' ')}`]),
    ...(cwd === undefined ? [] : [`  in: ${exact(cwd)}`]),
    ...(env.length > 0 ? [`  env: ${env.map(exact).join(' ')}`] : []),
    ...(url === undefined ? [] : [`  url: ${exact(url)}`]),
    ...(headers.length > 0 ? [`  headers: ${headers.map(exact).join(' ')}`] : []),
  ];
}

const facts = (one: Waiting) => ({
  server: one.server,
  kind: one.kind,
  served: one.served,
  ...(one.kind === 'tool'
    ? { tool: one.tool, changed: one.approved !== undefined, hash: one.hash, found: suspicions(one.offered) }
    : { source: one.source, changed: one.approved !== undefined, now: one.proposed, before: one.approved }),
  shown: shown(one),
});
