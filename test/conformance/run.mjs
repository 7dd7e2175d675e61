// The official conformance suite against the runtime: as a server, in front of a fixture in the same era and in the
// other, and as a client; then real clients in front of it and real servers behind it. Judged by the mark of each
// scenario and by the exit code, against `expected-failures.json`; a scenario that was expected to fail and passes is a
// failure too. Ends with "N passed, N failed".
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientsLeg } from './clients.mjs';
import { dist, endAll, fixture, here, modules, newerNode, serve, start } from './runtime.mjs';
import { serversLeg } from './servers.mjs';

const referee = [newerNode, join(modules, '@modelcontextprotocol/conformance/dist/index.js')];
const LEG_MS = 150_000;
const REVISIONS = ['2025-11-25', '2026-07-28'];
const expected = JSON.parse(readFileSync(here('expected-failures.json'), 'utf8'));
const work = mkdtempSync(join(tmpdir(), 'mcprt-conformance-'));

/** Runs the suite. @returns its exit code and what it said of each scenario that counts. */
async function suite(leg, args) {
  const output = join(work, leg.replaceAll(/[^\w.-]+/g, '-'));
  const { child, ended } = start(referee[0], [referee[1], ...args, '-o', output], {
    env: { ...process.env, MCP_RUNTIME_DIST: dist },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(`${output}.log`);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      log.write(chunk);
      said += chunk.toString('utf8');
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), LEG_MS);
  const exitCode = await ended;
  clearTimeout(timer);
  const summary = said.slice(said.lastIndexOf('=== SUMMARY'));
  const counted = summary.split(/^Not scored/m);
  const unscored = new Set([...(counted[1] ?? '').matchAll(/^\s*\S (\S+) \(/gm)].map(([, name]) => name));
  const marks = [...counted[0].matchAll(/^(\S) (\S+): (\d+) passed, (\d+) failed/gm)].map(
    ([, , scenario, passed, failed]) => ({ scenario, ok: failed === '0' && passed !== '0' }),
  );
  return { exitCode, marks: marks.filter(({ scenario }) => !unscored.has(scenario)), said };
}

async function serverLeg(revision, era) {
  // A client of the stateless revision that comes back with answers is told from others by a server of its own.
  const sharing = era === 'legacy' && revision === '2026-07-28' ? 'per-client' : 'shared';
  const servers = { fixture: { ...fixture(era), sharing } };
  const runtime = await serve(work, servers, ['--expose', 'direct']);
  try {
    const leg = `server ${revision}, upstream ${era === 'legacy' ? '2025-11-25' : '2026-07-28'}`;
    return { leg, ...(await suite(leg, ['server', '--url', runtime.url, '--requirements', revision])) };
  } finally {
    await runtime.stop();
  }
}

/** One scenario at a time: together the suite starts some forty clients at once, and judges them by a clock. */
async function clientLeg(revision) {
  const leg = `client ${revision}`;
  const results = { leg, exitCode: 0, marks: [], said: '' };
  for (const scenario of required(revision, 'client')) {
    const command = `${process.execPath} ${here('client.mjs')}`;
    const args = ['client', '--command', command, '--scenario', scenario, '--spec-version', revision];
    const { exitCode, said } = await suite(`${leg} ${scenario}`, args);
    results.marks.push({ scenario, ok: exitCode === 0 && /^Passed: [1-9]/m.test(said) });
    results.said += said;
  }
  return results;
}

/** The scenarios that a revision requires of one side. */
function required(revision, side) {
  const file = join(modules, '@modelcontextprotocol/conformance/requirements', `${revision}.yaml`);
  const lines = readFileSync(file, 'utf8').split('\n');
  const from = lines.indexOf(`${side}:`) + 1;
  const length = lines.slice(from).findIndex((line) => !line.startsWith('  - '));
  return lines.slice(from, from + length).map((line) => line.slice(4).trim());
}

const reasonFor = (leg, scenario) => expected[leg]?.[scenario];

function judge({ leg, exitCode, marks, said }) {
  const problems = [];
  let passed = 0;
  let foreseen = 0;
  for (const { scenario, ok } of marks) {
    const reason = reasonFor(leg, scenario);
    if (ok && reason && !reason.startsWith('May pass'))
      problems.push(`${scenario} passes, though it is expected to fail`);
    else if (ok) passed += 1;
    else if (reason) foreseen += 1;
    else problems.push(`${scenario} failed`);
  }
  if (marks.length === 0) problems.push(`nothing ran: ${said.slice(-500)}`);
  if (exitCode !== 0 && foreseen === 0 && problems.length === 0) problems.push(`exit code ${exitCode}`);
  const more = foreseen > 0 ? `, ${foreseen} failed for reasons that are known` : '';
  process.stdout.write(`${leg}: ${passed} passed, ${problems.length} failed${more}\n`);
  for (const problem of problems) process.stdout.write(`  ${problem}\n`);
  if (problems.length > 0 && leg.startsWith('real ')) process.stdout.write(`${said}\n`);
  return { passed, failed: problems.length };
}

process.once('SIGINT', () => {
  endAll();
  process.exit(130);
});

const legs = [
  ...REVISIONS.flatMap((revision) => ['legacy', 'modern'].map((era) => () => serverLeg(revision, era))),
  ...REVISIONS.map((revision) => () => clientLeg(revision)),
  () => clientsLeg(work),
  () => serversLeg(work),
];
const totals = { passed: 0, failed: 0 };
const queue = [...legs];
await Promise.all(
  [1, 2].map(async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { passed, failed } = judge(await next());
      totals.passed += passed;
      totals.failed += failed;
    }
  }),
);
if (totals.failed === 0) rmSync(work, { recursive: true, force: true });
else process.stdout.write(`logs: ${work}\n`);
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed\n`);
process.exitCode = totals.failed === 0 ? 0 : 1;
