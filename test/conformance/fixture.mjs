// An MCP server over stdio with the names that the conformance suite asks for, written on bare JSON-RPC so that no SDK
// of either side is judged by itself. `--era legacy` (2025-11-25) or `--era modern` (2026-07-28).
import { createHmac, randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { prompts, resources, templates } from './fixture-content.mjs';
import { tools } from './fixture-tools.mjs';

const modern = process.argv[process.argv.indexOf('--era') + 1] === 'modern';
const META = 'io.modelcontextprotocol/';
const key = randomBytes(32);
const waiting = new Map();
const running = new Map();
const listeners = new Map();
let capabilities = {};
let nextId = 1;

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const notify = (method, params) => send({ method, ...(params ? { params } : {}) });

class RpcError extends Error {
  constructor(code, message, data) {
    super(message);
    Object.assign(this, { code, data });
  }
}

/** Answers of the client are needed before this can be answered (2026-07-28). */
class NeedsInput extends Error {
  constructor(inputRequests, requestState) {
    super('input required');
    Object.assign(this, { inputRequests, requestState });
  }
}

const sign = (text) => `${text}.${createHmac('sha256', key).update(text).digest('hex')}`;
function verified(state) {
  if (state === undefined) return undefined;
  const text = String(state).slice(0, String(state).lastIndexOf('.'));
  if (sign(text) !== state) throw new RpcError(-32602, 'The requestState was not made here');
  return text;
}

function contextOf({ id, params }) {
  const meta = params?._meta ?? {};
  const theirs = modern ? (meta[`${META}clientCapabilities`] ?? {}) : capabilities;
  const state = modern ? verified(params?.requestState) : undefined;
  return {
    modern,
    capabilities: theirs,
    /** What the signed state of an earlier round said. */
    state,
    progress: (progress, total) => {
      if (meta.progressToken !== undefined)
        notify('notifications/progress', { progressToken: meta.progressToken, progress, total });
    },
    log: (level, data) => {
      if (!modern || meta[`${META}logLevel`] !== undefined)
        notify('notifications/message', { level, logger: 'fixture', data });
    },
    sleep,
    changed: (kind) => {
      if (!modern) notify(`notifications/${kind}/list_changed`);
      for (const [listenId, filter] of listeners)
        if (filter[`${kind}ListChanged`])
          notify(`notifications/${kind}/list_changed`, { _meta: { [`${META}subscriptionId`]: listenId } });
    },
    missing: (capability) => {
      throw new RpcError(-32021, `The client did not declare ${capability}`, {
        requiredCapabilities: { [capability]: {} },
      });
    },
    /** @param requests method and params by a name of our own. @returns the answers by the same names. */
    ask: async (requests, nextState) => {
      if (modern) {
        const given = params?.inputResponses;
        const isAnswer = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
        if (isAnswer(given) && Object.keys(requests).every((name) => isAnswer(given[name]))) return given;
        throw new NeedsInput(requests, nextState === undefined ? undefined : sign(nextState));
      }
      const answers = Object.entries(requests).map(async ([name, request]) => [name, await push(request)]);
      return Object.fromEntries(await Promise.all(answers));
    },
    requestId: id,
  };
}

function push({ method, params }) {
  const id = `fixture-${nextId++}`;
  const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  send({ id, method, params });
  return answer;
}

const cacheable = (result) => (modern ? { ttlMs: 1000, cacheScope: 'private', ...result } : result);
const serverCapabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: { listChanged: true },
  completions: {},
  ...(modern ? {} : { logging: {} }),
};
const serverInfo = { name: 'conformance-fixture', version: '1.0.0' };

const handlers = {
  'tools/list': () => cacheable({ tools: tools.map(({ run: _run, ...tool }) => tool) }),
  'tools/call': async ({ params }, context) => {
    const tool = tools.find(({ name }) => name === params?.name);
    if (!tool) throw new RpcError(-32602, `Unknown tool: ${params?.name}`);
    return tool.run(params.arguments ?? {}, context);
  },
  'resources/list': () => cacheable({ resources: resources.map(({ contents: _contents, ...one }) => one) }),
  'resources/templates/list': () =>
    cacheable({ resourceTemplates: templates.map(({ read: _read, ...one }) => one) }),
  'resources/read': ({ params }) => {
    const { uri } = params;
    const contents =
      resources.find((one) => one.uri === uri)?.contents ??
      templates.map((one) => one.read(uri)).find((found) => found !== undefined);
    if (!contents) throw new RpcError(modern ? -32602 : -32002, 'Resource not found', { uri });
    return cacheable({ contents: [{ uri, ...contents }] });
  },
  'prompts/list': () => cacheable({ prompts: prompts.map(({ get: _get, ...prompt }) => prompt) }),
  'prompts/get': async ({ params }, context) => {
    const prompt = prompts.find(({ name }) => name === params?.name);
    if (!prompt) throw new RpcError(-32602, `Unknown prompt: ${params?.name}`);
    return prompt.get(params.arguments ?? {}, context);
  },
  'completion/complete': () => ({
    completion: { values: ['paris', 'park', 'party'], total: 3, hasMore: false },
  }),
  ...(modern
    ? {
        'server/discover': () => ({
          ttlMs: 1000,
          cacheScope: 'public',
          supportedVersions: ['2026-07-28'],
          capabilities: serverCapabilities,
          instructions: 'For the conformance suite.',
        }),
        'subscriptions/listen': ({ id, params }) => {
          const filter = params?.notifications ?? {};
          listeners.set(id, filter);
          notify('notifications/subscriptions/acknowledged', {
            notifications: filter,
            _meta: { [`${META}subscriptionId`]: id },
          });
          return new Promise(() => {});
        },
      }
    : {
        initialize: ({ params }) => {
          capabilities = params.capabilities ?? {};
          return {
            protocolVersion: '2025-11-25',
            capabilities: serverCapabilities,
            serverInfo,
            instructions: 'For the conformance suite.',
          };
        },
        ping: () => ({}),
        'logging/setLevel': () => ({}),
        'resources/subscribe': () => ({}),
        'resources/unsubscribe': () => ({}),
      }),
};

async function handle(request) {
  const { id, method, params } = request;
  const own = new AbortController();
  running.set(id, own);
  try {
    const handler = handlers[method];
    if (!handler) throw new RpcError(-32601, `Method not found: ${method}`);
    if (modern && params?._meta?.[`${META}protocolVersion`] !== '2026-07-28')
      throw new RpcError(-32022, 'Unsupported protocol version', { supported: ['2026-07-28'] });
    const result = await handler(request, contextOf(request));
    if (own.signal.aborted) return;
    send({
      id,
      result: modern
        ? { resultType: 'complete', _meta: { [`${META}serverInfo`]: serverInfo }, ...result }
        : result,
    });
  } catch (error) {
    if (error instanceof NeedsInput) {
      const { inputRequests, requestState } = error;
      send({
        id,
        result: { resultType: 'input_required', inputRequests, ...(requestState ? { requestState } : {}) },
      });
    } else {
      const { code = -32603, message, data } = error;
      send({ id, error: { code, message, ...(data === undefined ? {} : { data }) } });
    }
  } finally {
    running.delete(id);
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line);
  if (message.method !== undefined && message.id !== undefined) void handle(message);
  else if (message.method === 'notifications/cancelled') {
    running.get(message.params.requestId)?.abort();
    listeners.delete(message.params.requestId);
  } else if (message.method === undefined) {
    const pending = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error)
      pending?.reject(new RpcError(message.error.code, message.error.message, message.error.data));
    else pending?.resolve(message.result);
  }
});
