import type { Result } from '@modelcontextprotocol/server';
import type { OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { RuntimePort } from '../operations/table.js';
import { cleanOffers } from './clean-offers.js';
import { unexpected } from './error-result.js';
import { exposedNames, type Named } from './exposed-names.js';
import type { Exposed, Exposure } from './exposure.js';
import { ForwardedTasks } from './forwarded-tasks.js';
import { INTERNAL_ERROR, INVALID_PARAMS, ProtocolError } from './protocol-error.js';

type Params = Readonly<Record<string, unknown>>;
type Answer = Result | Payload;
type Item = Readonly<Record<string, unknown>>;
type Server = Exposed['whole'][number];

const MAX_PAGES = 100;

/** What each method lists, and the capability of a server that has it. */
const LISTS: Readonly<Record<string, { key: string; capability: string }>> = {
  'resources/list': { key: 'resources', capability: 'resources' },
  'resources/templates/list': { key: 'resourceTemplates', capability: 'resources' },
  'prompts/list': { key: 'prompts', capability: 'prompts' },
};

/** Methods beside those of tools that are answered by the servers behind us. */
export const NATIVE_METHODS: readonly string[] = [
  ...Object.keys(LISTS),
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'prompts/get',
  'completion/complete',
];

/**
 * Resources and prompts of upstream servers, for clients that see these servers as ours. With one server everything
 * goes through as it is; with several, lists are joined and requests go to the server that has what they name.
 */
export class Native {
  readonly #port: RuntimePort;
  readonly #exposure: Exposure;

  /** Whether any server may be shown whole: it must be said when a client connects, before servers are known. */
  readonly offered: boolean;
  readonly #tasks = new ForwardedTasks();

  constructor(port: RuntimePort, exposure: Exposure, offered: boolean) {
    this.offered = offered;
    this.#port = port;
    this.#exposure = exposure;
  }

  /** @throws ProtocolError, the server's own where it answered with one. */
  async handle(method: string, params: Params, context: OperationContext): Promise<Answer> {
    try {
      return await this.#route(method, params, context);
    } catch (error) {
      throw asProtocolError(error);
    }
  }

  async #route(method: string, params: Params, context: OperationContext): Promise<Answer> {
    const { whole } = await this.#exposure.get(context.caller, context.signal);
    const [only] = whole;
    const list = LISTS[method];
    if (only && whole.length === 1 && this.#exposure.direct) {
      if (list && only.capabilities[list.capability] === undefined) return { [list.key]: [] };
      const answer = await this.forward(only.server, method, params, context);
      return list ? cleanAnswer(answer, list.key) : answer;
    }
    if (list) return { [list.key]: await this.#list(method, list, whole, context) };
    if (method === 'prompts/get') return this.#getPrompt(params, whole, context);
    if (method === 'completion/complete') return this.#complete(params, whole, context);
    return this.#withResource(method, params, whole, context);
  }

  /**
   * Runs a tool as it is. A task that its server makes of it, as 2025-11-25 lets clients ask, stays the server's own.
   * Rejects with a RuntimeError.
   */
  async call(server: string, params: Params, context: OperationContext): Promise<Payload> {
    const answer = await this.forward(server, 'tools/call', params, context);
    if (params['task'] !== undefined) this.#tasks.remember(context.caller.principal, server, answer);
    return answer;
  }

  /** A request for a task that a server made; undefined for any other. @throws ProtocolError */
  async task(method: string, params: Params, context: OperationContext): Promise<Payload | undefined> {
    const server = this.#tasks.serverOf(context.caller.principal, params['taskId']);
    if (server === undefined) return undefined;
    return this.forward(server, method, params, context).catch((error: unknown) => {
      throw asProtocolError(error);
    });
  }

  /** Hands a request on to a server. Rejects with a RuntimeError. */
  async forward(server: string, method: string, params: Params, context: OperationContext): Promise<Payload> {
    const { _meta, ...rest } = params;
    const given = { server_name: server, method, params: rest, timeout: 3_600 };
    return (await this.#port.forward_request(given, context)).result;
  }

  async #list(
    method: string,
    { key, capability }: { key: string; capability: string },
    servers: readonly Server[],
    context: OperationContext,
  ): Promise<readonly Item[]> {
    const lists = servers
      .filter(({ capabilities }) => capabilities[capability] !== undefined)
      .map(async ({ server }) => {
        // A server that cannot list takes nothing away from the others.
        const items = await this.#pages(server, method, key, context).catch(() => []);
        return items.map((item) => ({ server, name: String(item['name']), item }));
      });
    const found = (await Promise.all(lists)).flat();
    if (key !== 'prompts') return found.map(({ item }) => item);
    return [...namesOf(found)].map(([name, { item }]) => ({ ...item, name }));
  }

  async #pages(server: string, method: string, key: string, context: OperationContext): Promise<Item[]> {
    const items: Item[] = [];
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const payload = await this.forward(server, method, cursor === undefined ? {} : { cursor }, context);
      const value = payload.value as Item;
      if (Array.isArray(value[key])) items.push(...(cleanOffers(key, value[key]) as Item[]));
      cursor = value['nextCursor'];
      if (typeof cursor !== 'string' || cursor === '') break;
    }
    return items;
  }

  async #prompts(servers: readonly Server[], context: OperationContext): Promise<Map<string, Named>> {
    const lists = servers
      .filter(({ capabilities }) => capabilities['prompts'] !== undefined)
      .map(async ({ server }) => {
        const items = await this.#pages(server, 'prompts/list', 'prompts', context).catch(() => []);
        return items.map((item) => ({ server, name: String(item['name']) }));
      });
    return namesOf((await Promise.all(lists)).flat());
  }

  async #getPrompt(params: Params, servers: readonly Server[], context: OperationContext): Promise<Answer> {
    const found = (await this.#prompts(servers, context)).get(String(params['name']));
    if (!found) throw new ProtocolError(INVALID_PARAMS, 'There is no such prompt here');
    return this.forward(found.server, 'prompts/get', { ...params, name: found.name }, context);
  }

  async #complete(params: Params, servers: readonly Server[], context: OperationContext): Promise<Answer> {
    const ref = (params['ref'] ?? {}) as Item;
    if (ref['type'] === 'ref/resource')
      return this.#withResource('completion/complete', { ...params, uri: ref['uri'] }, servers, context);
    const found = (await this.#prompts(servers, context)).get(String(ref['name']));
    if (!found) throw new ProtocolError(INVALID_PARAMS, 'There is no such prompt here');
    return this.forward(
      found.server,
      'completion/complete',
      { ...params, ref: { ...ref, name: found.name } },
      context,
    );
  }

  /** By the server that lists the resource, else by the first whose template fits. */
  async #withResource(
    method: string,
    { uri, ...rest }: Params,
    servers: readonly Server[],
    context: OperationContext,
  ): Promise<Answer> {
    const able = servers.filter(({ capabilities }) => capabilities['resources'] !== undefined);
    const params = method === 'completion/complete' ? rest : { ...rest, uri };
    for (const [list, key, fits] of [
      ['resources/list', 'resources', (item: Item) => item['uri'] === uri],
      [
        'resources/templates/list',
        'resourceTemplates',
        ({ uriTemplate }: Item) => uriTemplate === uri || matches(String(uriTemplate), String(uri)),
      ],
    ] as const) {
      for (const { server } of able) {
        const items = await this.#pages(server, list, key, context).catch(() => []);
        if (items.some(fits)) return this.forward(server, method, params, context);
      }
    }
    throw new ProtocolError(INVALID_PARAMS, 'Resource not found', { uri });
  }
}

/** One page of a list, with its texts as they may stand before a model. */
function cleanAnswer(answer: Payload, key: string): Answer {
  const value = (answer.value ?? {}) as Item;
  const items = value[key];
  if (!Array.isArray(items)) return answer;
  const clean = cleanOffers(key, items);
  return clean === items ? answer : { ...value, [key]: clean };
}

const namesOf = <T extends Named>(things: readonly T[]): Map<string, T> =>
  exposedNames(things, { plain: false, taken: new Set() });

/** Whether a URI may come of a template: each expression stands for anything. */
function matches(template: string, uri: string): boolean {
  const literals = template.split(/\{[^{}]*\}/);
  let at = 0;
  for (const [index, literal] of literals.entries()) {
    const found = index === 0 ? (uri.startsWith(literal) ? 0 : -1) : uri.indexOf(literal, at);
    if (found < 0) return false;
    at = found + literal.length;
  }
  const last = literals[literals.length - 1] ?? '';
  return literals.length > 1 ? uri.endsWith(last) : uri === template;
}

/** A server's own error as it came; ours with what can be said of it. */
export function asProtocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  const known = unexpected(error);
  const { code, message, data } = known.data ?? {};
  if (known.code === 'UPSTREAM_ERROR' && typeof code === 'number' && typeof message === 'string')
    return new ProtocolError(code, message, data);
  const isInput = known instanceof RuntimeError && ['INVALID_ARGUMENTS', 'UNSUPPORTED'].includes(known.code);
  return new ProtocolError(isInput ? INVALID_PARAMS : INTERNAL_ERROR, known.message, {
    code: known.code,
    ...(known.hint === undefined ? {} : { hint: known.hint }),
  });
}
