// Real clients over stdio and HTTP, in both eras where they know both: each lists our tools and runs one of a server.

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fixture, here, modules, newerNode, place, run, serve } from './runtime.mjs';

const CALL = { server_name: 'fixture', tool_name: 'test_simple_text' };
const SAID = 'This is a simple text response for testing.';
const LISTED = ['search_tools', 'execute_tool', 'get_content'];
const CLIENT = { name: 'conformance', version: '1' };
const INSPECTOR = here('../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
const MCPORTER = join(modules, 'mcporter/dist/cli.js');

const own = createRequire(import.meta.url);
const project = createRequire(new URL('../../package.json', import.meta.url));
const load = (require, name) => import(pathToFileURL(require.resolve(name)).href);

/** Lists and calls through a connected client of either SDK. */
async function use(client) {
  const { tools } = await client.listTools();
  const { content } = await client.callTool({ name: 'execute_tool', arguments: CALL });
  await client.close();
  return JSON.stringify([tools, content]);
}

async function sdk1(where) {
  const { Client } = await load(own, '@modelcontextprotocol/sdk/client/index.js');
  const { StdioClientTransport } = await load(own, '@modelcontextprotocol/sdk/client/stdio.js');
  const { StreamableHTTPClientTransport } = await load(
    own,
    '@modelcontextprotocol/sdk/client/streamableHttp.js',
  );
  const client = new Client(CLIENT);
  await client.connect(
    where.url ? new StreamableHTTPClientTransport(new URL(where.url)) : new StdioClientTransport(where.stdio),
  );
  return use(client);
}

const sdk2 = (mode) => async (where) => {
  const { Client, StreamableHTTPClientTransport } = await load(project, '@modelcontextprotocol/client');
  const { StdioClientTransport } = await load(project, '@modelcontextprotocol/client/stdio');
  const client = new Client(CLIENT, { versionNegotiation: { mode } });
  await client.connect(
    where.url ? new StreamableHTTPClientTransport(new URL(where.url)) : new StdioClientTransport(where.stdio),
  );
  return use(client);
};

const inspector = (era) => async (where) => {
  const { url, stdio, env } = where;
  const target = url
    ? ['--transport', 'http', '--server-url', url]
    : [
        ...Object.entries(stdio.settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]),
        stdio.command,
        ...stdio.args,
      ];
  const ask = async (...words) => {
    const args = [INSPECTOR, '--cli', ...target, '--protocol-era', era, ...words, '-q'];
    return (await run(process.execPath, args, { env })).said;
  };
  const call = ['--tool-name', 'execute_tool', '--tool-args-json', JSON.stringify(CALL)];
  return (await ask('--method', 'tools/list')) + (await ask('--method', 'tools/call', ...call));
};

async function mcporter({ url, stdio, env, home }) {
  const config = join(home, 'mcporter.json');
  const { command, args, settings } = stdio ?? {};
  const runtime = url ? { url } : { command, args, env: settings };
  writeFileSync(config, JSON.stringify({ mcpServers: { runtime }, imports: [] }));
  const ask = async (...words) =>
    (await run(newerNode, [MCPORTER, '--config', config, ...words], { env })).said;
  const call = ['call', 'runtime.execute_tool', '--args', JSON.stringify(CALL), '--output', 'json'];
  return (await ask('list', 'runtime', '--json')) + (await ask(...call));
}

const CLIENTS = {
  'SDK v1': sdk1,
  'SDK v2, 2025-11-25': sdk2('legacy'),
  'SDK v2, 2026-07-28': sdk2({ pin: '2026-07-28' }),
  'SDK v2, auto': sdk2('auto'),
  'Inspector, 2025-11-25': inspector('legacy'),
  'Inspector, 2026-07-28': inspector('modern'),
  mcporter,
};

/** @returns what each client made of it over each transport. */
export async function clientsLeg(work) {
  const servers = { fixture: fixture('legacy') };
  const marks = [];
  let problems = '';
  const http = await serve(work, servers);
  try {
    for (const [name, list] of Object.entries(CLIENTS)) {
      for (const transport of ['stdio', 'HTTP']) {
        const { command, args, env, settings, home } = place(work, servers);
        const where =
          transport === 'HTTP'
            ? { url: http.url, env, home }
            : { stdio: { command, args, env, settings }, env, home };
        const said = await list(where).catch((error) => String(error?.stack ?? error));
        const ok = said.includes(SAID) && LISTED.every((tool) => said.includes(`"${tool}"`));
        if (!ok) problems += `${name} over ${transport}: ${said.slice(0, 2_000)}\n`;
        marks.push({ scenario: `${name} over ${transport}`, ok });
      }
    }
  } finally {
    await http.stop();
  }
  return { leg: 'real clients', exitCode: 0, marks, said: problems };
}
