import type { Context } from 'hono';
import type { z } from 'zod';
import { RuntimeError } from '../../core/errors.js';
import { sameSecret } from '../guard.js';
import { addBulk, uploadedServers } from './bulk.js';
import type { RouteId } from './routes.js';
import { requests } from './schemas.js';
import { openStartup, type Startup, sameStartup, sealStartup } from './seal.js';
import { olderNames, serverJson, toolJson } from './spelling.js';
import type { IndexStore } from './store.js';
import { Failure, numbersOf, ValidationFailure, validated } from './validation.js';

interface HandlerOptions {
  readonly store: IndexStore;
  /** Startup configurations are stored under it, and handed out only to those who bring it. */
  readonly encryptionKey: string | undefined;
}

/** One handler per route; each gives the answer in the first spelling. */
export function createHandlers({
  store,
  encryptionKey,
}: HandlerOptions): Record<RouteId, (c: Context) => Promise<object>> {
  async function addOne(entry: unknown, signal: AbortSignal) {
    const body = validated(requests.ServerAdd, entry, 'body');
    const startup = startupOf(body);
    const sealed = sealStartup(startup, encryptionKey);
    if (await store.get(body.server_name))
      throw new Failure(409, `Server '${body.server_name}' exists already; update or delete it.`);
    return store.add({ name: body.server_name, startup, sealed, alpha: body.alpha, signal });
  }

  return {
    async search_tools(c) {
      const started = performance.now();
      const body = await bodyOf(c, requests.ToolSearch);
      const tools = await store.searchTools({
        query: body.query,
        limit: body.limit,
        minScore: body.min_score,
        ...(body.server_names ? { serverNames: body.server_names } : {}),
        ...(body.type ? { type: body.type } : {}),
        ...(typeof body.enabled === 'boolean' ? { enabled: body.enabled } : {}),
      });
      return { tools: tools.map(toolJson), ...found(tools.length, 'tool', body.query, started) };
    },

    async search_servers(c) {
      const started = performance.now();
      const body = await bodyOf(c, requests.ServerSearch);
      const servers = await store.searchServers({
        query: body.query,
        limit: body.limit,
        minScore: body.min_score,
      });
      return { servers: servers.map(serverJson), ...found(servers.length, 'server', body.query, started) };
    },

    async list_servers(c) {
      const page = pageOf(c);
      return { servers: (await store.list(page)).map(serverJson), ...page };
    },

    async get_server(c) {
      const name = param(c, 'server');
      const server = (await store.get(name)) ?? noServer(name);
      return { server: serverJson(server), message: 'Server found' };
    },

    async list_tools(c) {
      const name = param(c, 'server');
      const page = pageOf(c);
      const tools = (await store.tools(name, page)) ?? noServer(name);
      return { tools: tools.map(toolJson), server_name: name, ...page };
    },

    async get_tool(c) {
      const [server, tool] = [param(c, 'server'), param(c, 'tool')];
      const found = await store.tool(server, tool);
      if (!found) throw new Failure(404, `Tool '${tool}' of server '${server}' not found`);
      return toolJson(found);
    },

    async get_command(c) {
      c.header('Cache-Control', 'no-store');
      const name = param(c, 'server');
      const sealed = (await store.command(name)) ?? noServer(name);
      const key = c.req.header('x-encryption-key');
      // Also what was stored before there was a key is handed out only to those who have it.
      if (encryptionKey !== undefined && (key === undefined || !sameSecret(key, encryptionKey))) {
        throw new RuntimeError('FORBIDDEN', 'The header X-Encryption-Key is missing or does not fit.');
      }
      return startupJson(name, openStartup(sealed, key));
    },

    async add_server(c) {
      const added = await addOne(await jsonOf(c), c.req.raw.signal);
      return { server: serverJson(added), message: `Server '${added.name}' added` };
    },

    async add_servers_bulk(c) {
      const started = performance.now();
      const servers = uploadedServers(await fileOf(c));
      const results = await addBulk(servers, async (entry) =>
        serverJson(await addOne(entry, c.req.raw.signal)),
      );
      const successful = results.filter((result) => result.success).length;
      return {
        results,
        successful_count: successful,
        failed_count: results.length - successful,
        total_count: results.length,
        message: `${successful} of ${results.length} servers added`,
        processing_time_ms: elapsed(started),
      };
    },

    async update_server(c) {
      const name = param(c, 'server');
      const changes = await bodyOf(c, requests.ServerUpdate);
      const [known, sealed] = [
        (await store.get(name)) ?? noServer(name),
        (await store.command(name)) ?? noServer(name),
      ];
      const before = openStartup(sealed, encryptionKey);
      if (before.transport === 'http')
        throw new Failure(400, `Server '${name}' has a url; command, args and env do not apply.`);
      const startup: Startup = {
        ...before,
        command: changes.command ?? before.command,
        args: changes.args ?? before.args,
        env: changes.env ?? before.env,
      };
      if (sameStartup(before, startup)) return { server: serverJson(known), message: 'Nothing changed' };
      const updated = await store.update({
        name,
        startup,
        sealed: sealStartup(startup, encryptionKey),
        signal: c.req.raw.signal,
      });
      return { server: serverJson(updated), message: `Server '${name}' updated and indexed again` };
    },

    async delete_server(c) {
      const name = param(c, 'server');
      if (!(await store.remove(name))) noServer(name);
      return { message: `Server '${name}' deleted` };
    },

    async statistics() {
      const { servers, tools } = await store.statistics();
      return { total_servers: servers, total_tools: tools };
    },
  };
}

function startupOf(body: z.output<typeof requests.ServerAdd>): Startup {
  const { timeout } = body;
  if (body.url) return { transport: 'http', url: body.url, headers: body.headers, timeout };
  return { transport: 'stdio', command: body.command ?? '', args: body.args, env: body.env, timeout };
}

function startupJson(name: string, startup: Startup): object {
  const none = { command: null, args: [], env: {}, url: null, headers: {} };
  return { server_name: name, ...none, ...startup };
}

function found(count: number, what: string, query: string, started: number) {
  return {
    total_results: count,
    query,
    message: `Found ${count} ${what}${count === 1 ? '' : 's'}`,
    processing_time_ms: elapsed(started),
  };
}

function elapsed(started: number): number {
  return Math.round((performance.now() - started) * 100) / 100;
}

function noServer(name: string): never {
  throw new Failure(404, `Server '${name}' not found`);
}

function param(c: Context, name: 'server' | 'tool'): string {
  return c.req.param(name) ?? '';
}

function pageOf(c: Context) {
  return validated(requests.Page, numbersOf(c.req.query()), 'query');
}

async function jsonOf(c: Context): Promise<unknown> {
  const text = await c.req.text();
  try {
    return olderNames(JSON.parse(text));
  } catch (error) {
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw new ValidationFailure([
      text === ''
        ? { loc: ['body'], msg: 'Field required', type: 'missing' }
        : { loc: ['body', Number(position ?? text.length)], msg: 'JSON decode error', type: 'json_invalid' },
    ]);
  }
}

async function bodyOf<S extends z.ZodType>(c: Context, schema: S): Promise<z.output<S>> {
  return validated(schema, await jsonOf(c), 'body');
}

async function fileOf(c: Context): Promise<string> {
  const isForm = /^multipart\/form-data\b/i.test(c.req.header('content-type') ?? '');
  const form = isForm ? await c.req.parseBody().catch(() => undefined) : undefined;
  const file = form?.['file'];
  if (file === undefined)
    throw new ValidationFailure([{ loc: ['body', 'file'], msg: 'Field required', type: 'missing' }]);
  if (!(file instanceof File)) {
    throw new ValidationFailure([
      { loc: ['body', 'file'], msg: 'Value error, Expected UploadFile', type: 'value_error' },
    ]);
  }
  return file.text();
}
