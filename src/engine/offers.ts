import type { Catalog } from '../catalog/catalog.js';
import { cleanText } from '../catalog/clean-tool.js';
import type { OperationContext } from '../core/caller.js';
import type { OperationOutput } from '../operations/table.js';
import type { Executor } from './executor.js';
import type { Supervisor } from './supervisor.js';

/** Who asks about a server waits no longer for what is beside its tools, ms. */
const PATIENCE_MS = 3_000;
/** Named of each kind. */
const MAX_NAMED = 30;
const MAX_CHARS = 200;

type Info = OperationOutput<'get_server_info'>;
type Item = Readonly<Record<string, unknown>>;

/** What each kind is called, where it is listed, and how one is shown. */
const KINDS = [
  ['resources', 'resources/list', ({ uri, name }: Item) => [uri, name]],
  ['prompts', 'prompts/list', ({ name, description }: Item) => [name, description]],
] as const;

/**
 * Adds the resources and prompts of a server, by its first page, if it runs: looking starts nothing. Never rejects: a
 * server that cannot say has them unnamed.
 */
export async function withOffers(
  { catalog, supervisor, executor }: { catalog: Catalog; supervisor: Supervisor; executor: Executor },
  info: Info,
  { caller, signal, client }: OperationContext,
): Promise<Info> {
  const { server } = info;
  const has = catalog.get(server)?.identity?.capabilities ?? {};
  const isReady = supervisor
    .running()
    .some(
      (one) =>
        one.server === server &&
        one.state.status === 'ready' &&
        (one.clientId === undefined || one.clientId === caller.clientId),
    );
  const found: Pick<Info, 'resources' | 'prompts'> = {};
  const unnamed: string[] = [];
  await Promise.all(
    KINDS.filter(([kind]) => has[kind] !== undefined).map(async ([kind, method, shown]) => {
      const request = { ...caller, server, method, params: {}, timeoutMs: PATIENCE_MS };
      const answer = isReady && (await executor.forward(request, { signal, client }).catch(() => undefined));
      const items = answer ? (answer.value as Item | null)?.[kind] : undefined;
      if (Array.isArray(items))
        found[kind] = items.slice(0, MAX_NAMED).map((item: Item) => line(shown(item)));
      else unnamed.push(kind);
    }),
  );
  return { ...info, ...found, ...(unnamed.length > 0 ? { unnamed } : {}) };
}

const line = (parts: readonly unknown[]): string =>
  cleanText(parts.filter((part) => typeof part === 'string' && part !== '').join(': '))
    .replace(/\s+/g, ' ')
    .slice(0, MAX_CHARS);
