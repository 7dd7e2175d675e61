// Real servers from npm, directly and through us, each in a folder of its own that is made alike: every tool that can be
// compared is called, and the answers must be the same to the byte but for the name of the folder.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rawClient } from './raw.mjs';
import { here, modules, place, run } from './runtime.mjs';
import { CALLS } from './server-calls.mjs';

const official = (name) => here(`../../node_modules/@modelcontextprotocol/server-${name}/dist/index.js`);
const GIT = { GIT_AUTHOR_DATE: '2026-01-02T03:04:05Z', GIT_COMMITTER_DATE: '2026-01-02T03:04:05Z' };

/** How each is started in its folder. */
const SERVERS = {
  everything: () => ({ args: [official('everything')] }),
  filesystem: (folder) => ({ args: [official('filesystem'), folder] }),
  memory: (folder) => ({
    args: [official('memory')],
    env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') },
  }),
  'sequential-thinking': () => ({
    args: [join(modules, '@modelcontextprotocol/server-sequential-thinking/dist/index.js')],
  }),
  calc: () => ({ args: [join(modules, '@coo-quack/calc-mcp/dist/index.js')] }),
  time: () => ({ args: [join(modules, 'time-mcp/dist/index.js')], env: { TZ: 'UTC' } }),
  git: (folder) => ({
    args: [join(modules, '@cyanheads/git-mcp-server/dist/index.js')],
    env: { MCP_TRANSPORT_TYPE: 'stdio', MCP_LOG_LEVEL: 'error', LOGS_DIR: join(folder, '..'), ...GIT },
  }),
};

/** A folder with a little of everything; with a history where git looks at it. */
async function prepare(folder, name) {
  mkdirSync(join(folder, 'sub'), { recursive: true });
  writeFileSync(join(folder, 'a.txt'), 'one\ntwo\n');
  writeFileSync(join(folder, 'sub/b.txt'), 'thrée\n');
  if (name !== 'git') return;
  const env = { PATH: process.env.PATH, HOME: folder, ...GIT };
  for (const args of [
    ['init', '-q', '-b', 'main'],
    ['config', 'user.name', 'A Tester'],
    ['config', 'user.email', 'tester@example.org'],
    ['add', '-A'],
    ['commit', '-q', '-m', 'First'],
  ])
    await run('git', ['-C', folder, ...args], { env });
  writeFileSync(join(folder, 'a.txt'), 'one\ntwo\nthree\n');
}

/** Both ends of one server: a client of it, and a client of us in front of it. */
async function pair(work, name) {
  const at = place(work, {}, ['--expose', 'direct']);
  const ends = ['direct', 'routed'].map(async (end) => {
    const folder = join(at.home, end);
    await prepare(folder, name);
    const { args, env = {} } = SERVERS[name](folder);
    const own = { PATH: process.env.PATH, HOME: at.home, ...env };
    if (end === 'direct') {
      const client = await rawClient({ command: process.execPath, args, env: own, cwd: folder });
      return { client, folder };
    }
    const definition = { command: process.execPath, args, env, cwd: folder };
    writeFileSync(at.settings.MCP_RUNTIME_CONFIG, JSON.stringify({ mcpServers: { [name]: definition } }));
    return { client: await rawClient(at), folder };
  });
  return Promise.all(ends);
}

/** Longer descriptions of tools are cut on their way to a model. */
const KEPT_CHARS = 1_900;
const shortened = (key, value) =>
  key === 'description' && typeof value === 'string' ? value.slice(0, KEPT_CHARS) : value;

/** What differs and may: the folder, ends of long descriptions, and what only clocks decide. */
const textOf = ({ result, error }, folder, unstable) =>
  JSON.stringify(result ?? error, result?.tools ? shortened : undefined)
    .replaceAll(folder, '{folder}')
    .replaceAll(unstable, '{unstable}');

async function compare(work, name) {
  const { calls, skipped = {}, unstable = /(?!)/g } = CALLS[name];
  const [direct, routed] = await pair(work, name);
  const problems = [];
  let passed = 0;
  try {
    const ask = (end, method, params) =>
      end.client.request(method, JSON.parse(JSON.stringify(params ?? {}).replaceAll('{folder}', end.folder)));
    const check = async (what, method, params) => {
      const expected = textOf(await ask(direct, method, params), direct.folder, unstable);
      const seen = textOf(await ask(routed, method, params), routed.folder, unstable);
      if (seen === expected) passed += 1;
      else problems.push(`${name} ${what}: ${expected.slice(0, 300)} but through us ${seen.slice(0, 300)}`);
    };
    // Servers tell more tools once they know what the client can do, a moment after it said so.
    const { result: listed } = await ask(routed, 'tools/list');
    for (let tries = 0; tries < 50; tries += 1) {
      const { result } = await ask(direct, 'tools/list');
      if (result.tools.length >= listed.tools.length) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await check('tools/list', 'tools/list');
    for (const [tool, given] of calls) await check(tool, 'tools/call', { name: tool, arguments: given });
    const called = new Set(calls.map(([tool]) => tool));
    for (const { name: tool } of listed.tools)
      if (!called.has(tool) && !skipped[tool])
        problems.push(`${name} ${tool}: is not called, without a reason`);
  } finally {
    await Promise.all([direct, routed].map(({ client }) => client.close()));
  }
  return { passed, problems };
}

/** @returns a mark for each server. */
export async function serversLeg(work) {
  const marks = [];
  const said = [];
  for (const name of Object.keys(SERVERS)) {
    const { passed, problems } = await compare(work, name).catch((error) => ({
      passed: 0,
      problems: [`${name}: ${error.stack}`],
    }));
    marks.push({ scenario: `${name} (${passed} answers)`, ok: problems.length === 0 });
    said.push(...problems);
  }
  return { leg: 'real servers', exitCode: 0, marks, said: said.join('\n') };
}
