// Our client side as the suite's client: `openSession` of the upstream floor, doing what each scenario waits for.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  authorizedFetch,
  BRIDGED_CAPABILITIES,
  login,
  openSession,
  silentLogger,
  TokenStore,
} from './dist.mjs';

const url = process.argv.at(-1);
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? '';
const revision = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');

/** The defaults of a form, as a person would accept them. */
function accepted(params) {
  const properties = Object.entries(params?.requestedSchema?.properties ?? {});
  const content = Object.fromEntries(
    properties.flatMap(([name, { default: value, type }]) => {
      if (value !== undefined) return [[name, value]];
      return type === 'boolean' ? [[name, true]] : [];
    }),
  );
  return { action: 'accept', content };
}

const client = {
  clientId: 'conformance',
  capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
  ask: async (method, params) => {
    if (method === 'elicitation/create') return accepted(params);
    if (method === 'roots/list') return { roots: [] };
    return { role: 'assistant', content: { type: 'text', text: 'An answer.' }, model: 'none' };
  },
  tell: () => {},
};
const options = { signal: new AbortController().signal, timeoutMs: 25_000, client };

/** Something for each argument that is required; an object is a schema as it was listed. */
function argumentsFor({ properties = {}, required = [] } = {}, listed = []) {
  const object = listed.find(({ inputSchema }) => inputSchema?.$defs)?.inputSchema ?? {};
  const samples = { string: 'text', number: 1, integer: 1, boolean: true, array: [], object };
  return Object.fromEntries(required.map((name) => [name, samples[properties[name]?.type] ?? null]));
}

const definition = {
  name: 'conformance',
  transport: 'streamable-http',
  url,
  headers: {},
  startTimeoutMs: 20_000,
  idleTimeoutMs: 0,
  maxConcurrency: 10,
  sharing: 'shared',
  restart: 'never',
  hints: [],
  blockedTools: [],
  disabled: false,
  overwrite: false,
  source: 'file',
};
const home = mkdtempSync(join(tmpdir(), 'mcprt-conformance-client-'));
const store = new TokenStore(home);
/** As often as a patient person would go to the browser for one server. */
const MAX_LOGINS = 3;
let logins = 0;

/** What a person may give with `--client-id`: one registered by hand, or the address of a document about the client. */
const handmade =
  scenario === 'auth/basic-cimd'
    ? { id: 'https://conformance-test.local/client-metadata.json' }
    : context.client_id && { id: context.client_id, secret: context.client_secret };

/** What `mcp-runtime auth` does, with a browser that says yes to everything. */
async function authorise() {
  await login(definition, {
    store,
    send: fetch,
    signal: AbortSignal.timeout(20_000),
    allowLocal: true,
    client: handmade,
    onUrl: async (target) => {
      const { headers } = await fetch(target, { redirect: 'manual' });
      await fetch(headers.get('location'));
    },
  });
}

/** Does it again once the person has authorised the server. */
async function authorised(work) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error.code !== 'SERVER_NEEDS_AUTH' || logins >= MAX_LOGINS) throw error;
      logins += 1;
      await authorise();
    }
  }
}

const open = () =>
  openSession(definition, {
    signal: options.signal,
    marker: { name: 'MCP_RUNTIME_MARKER', value: 'conformance' },
    baseEnv: {},
    logger: silentLogger,
    clientInfo: { name: 'mcp-runtime', version: '0.0.0' },
    capabilities: { ...BRIDGED_CAPABILITIES, elicitation: client.capabilities.elicitation },
    authorize: (remote, send) => authorizedFetch(remote, send, store, silentLogger),
    prior: revision,
  });

async function use(session) {
  const { tools } = await authorised(() => session.listTools(options));
  const wanted =
    context.toolCalls ??
    tools.map(({ name, inputSchema }) => ({ name, arguments: argumentsFor(inputSchema, tools) }));
  for (const { name, arguments: given } of wanted) {
    await authorised(() => session.callTool(name, given, options)).catch((error) => {
      process.stderr.write(`${scenario}: ${name}: ${error.message}\n`);
    });
  }
  const { resources, prompts } = session.identity.capabilities;
  if (resources) {
    const { value } = await session.request('resources/list', {}, options);
    for (const { uri } of value.resources ?? []) await session.request('resources/read', { uri }, options);
  }
  if (prompts) {
    const { value } = await session.request('prompts/list', {}, options);
    for (const { name } of value.prompts ?? []) await session.request('prompts/get', { name }, options);
  }
}

try {
  const session = await authorised(open);
  try {
    await use(session);
  } finally {
    await session.close();
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
