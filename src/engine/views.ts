import { toolTitle } from '../catalog/describe.js';
import type { CatalogEntry } from '../catalog/entry.js';
import type { ContentManager } from '../content/content-manager.js';
import type { Caller } from '../core/caller.js';
import type { ServerState } from '../core/server.js';
import type { OperationInput, OperationOutput } from '../operations/table.js';
import { duration } from '../operations/text.js';
import type { TaskStatistics } from '../tasks/queue-options.js';
import type { Gate, Sight as Visible } from './gate.js';
import type { ServerSnapshot } from './supervisor.js';
import { waitingNote, warningsOf } from './warnings.js';

/** What the views need to see; they only read. */
export interface Sight {
  /** As far as the asker may see it. */
  readonly catalog: Visible;
  state(server: string): ServerState;
  isRunning(server: string): boolean;
  /** Servers whose tools are being learnt. */
  readonly learning: number;
}

const round = (score: number) => Math.round(score * 100) / 100;

export async function searchTools(
  sight: Sight,
  input: OperationInput<'search_tools'>,
): Promise<OperationOutput<'search_tools'>> {
  // Whatever is behind the runtime is an MCP tool.
  const wanted = input.tool_type === undefined || input.tool_type === 'mcp';
  const found = wanted
    ? await sight.catalog.searchTools({
        query: input.query,
        limit: input.limit,
        minScore: input.min_score,
        servers: input.server_names,
        enabled: input.enabled,
      })
    : { hits: [], degraded: false };
  return {
    hits: found.hits.map(({ server, tool, title, score }) => ({
      server,
      tool,
      title,
      score: round(score),
      running: sight.isRunning(server),
    })),
    ...(found.degraded ? { degraded: true } : {}),
    ...(sight.learning > 0 ? { learning: sight.learning } : {}),
  };
}

export async function searchServers(
  sight: Sight,
  input: OperationInput<'search_servers'>,
): Promise<OperationOutput<'search_servers'>> {
  const found = await sight.catalog.searchServers({
    query: input.query,
    limit: input.limit,
    minScore: input.min_score,
  });
  return {
    hits: found.hits.flatMap(({ server, score }) => {
      const entry = sight.catalog.get(server);
      return entry
        ? [{ server, title: entry.description.title, tools: entry.tools.length, score: round(score) }]
        : [];
    }),
    ...(found.degraded ? { degraded: true } : {}),
  };
}

export function getServerInfo(
  sight: Sight,
  input: OperationInput<'get_server_info'>,
): OperationOutput<'get_server_info'> {
  const entry = sight.catalog.require(input.server_name);
  const { definition, description } = entry;
  const problem = problemOf(sight, entry);
  const warnings = warningsOf(entry);
  return {
    server: definition.name,
    title: description.title,
    summary: description.summary,
    capabilities: [...description.capabilities],
    limitations: [...description.limitations],
    tools: entry.tools.length,
    state: stateOf(sight, entry),
    ...(problem === undefined ? {} : { problem }),
    ...(warnings.length > 0 ? { warnings } : {}),
    hints: [...definition.hints],
    needs: [...(definition.needs ?? [])],
  };
}

export function getServerTools(
  sight: Sight,
  input: OperationInput<'get_server_tools'>,
): OperationOutput<'get_server_tools'> {
  const entry = sight.catalog.require(input.server_name);
  return {
    server: entry.definition.name,
    tools: entry.tools
      .slice(input.offset, input.offset + input.limit)
      .map((tool) => ({ tool: tool.name, title: toolTitle(tool) })),
    ...page(input, entry.tools.length),
    ...(entry.stale === undefined ? {} : { stale: entry.stale }),
  };
}

/** So many times the limit of a result: a model that is to call a tool must know its arguments. */
const FOR_ARGUMENTS = 4;

/** Of what is too large for a context stand its outline and where to read it in parts. */
export async function getToolDetails(
  { gate, content }: { readonly gate: Gate; readonly content: ContentManager },
  input: OperationInput<'get_tool_details'>,
  caller: Caller,
): Promise<OperationOutput<'get_tool_details'>> {
  const catalog = gate.sight(caller);
  const tool = catalog.tool(input.server_name, input.tool_name);
  if (!tool) throw catalog.toolNotFound(input.server_name, input.tool_name);
  const bounded = <T>(value: T, times = 1) => content.fit(value, { principal: caller.principal, times });
  const { inputSchema, outputSchema, annotations } = tool;
  return {
    server: input.server_name,
    tool: tool.name,
    description: tool.description ?? '',
    input_schema: await bounded(inputSchema ?? { type: 'object' }, FOR_ARGUMENTS),
    ...(outputSchema === undefined ? {} : { output_schema: await bounded(outputSchema) }),
    ...(annotations === undefined ? {} : { annotations: { ...(await bounded(annotations)) } }),
  };
}

export function listServers(
  sight: Sight,
  input: OperationInput<'list_servers'>,
  problems: readonly string[],
): OperationOutput<'list_servers'> {
  const entries = sight.catalog.entries();
  return {
    servers: entries.slice(input.offset, input.offset + input.limit).map((entry) => {
      const problem = problemOf(sight, entry);
      return {
        server: entry.definition.name,
        title: entry.description.title,
        tools: entry.tools.length,
        state: stateOf(sight, entry),
        ...(problem === undefined ? {} : { problem }),
      };
    }),
    ...page(input, entries.length),
    ...(problems.length > 0 ? { problems: [...problems] } : {}),
  };
}

export function runningServer(
  snapshot: ServerSnapshot,
  memoryBytes: number | undefined,
): OperationOutput<'list_running_servers'>['servers'][number] {
  const { state } = snapshot;
  const since =
    'since' in state
      ? state.since
      : 'connectedSince' in state
        ? (state.connectedSince ?? Date.now())
        : Date.now();
  return {
    server: snapshot.server,
    state: snapshot.state.status,
    since: new Date(since).toISOString(),
    ...(snapshot.pid === undefined ? {} : { pid: snapshot.pid }),
    ...(memoryBytes === undefined ? {} : { memory_bytes: memoryBytes }),
    in_flight: snapshot.inFlight,
    calls: snapshot.calls,
  };
}

function stateOf(sight: Sight, entry: CatalogEntry): string {
  if (entry.definition.disabled) return 'disabled';
  const state = sight.state(entry.definition.name);
  if (state.status !== 'backing-off') return state.status;
  const left = state.until - Date.now();
  if (state.connectedSince !== undefined)
    return left > 0
      ? `backing-off, calls fail for ${duration(left)} more (failure ${state.attempts})`
      : `backing-off, the next call tries it (failure ${state.attempts})`;
  // Only `always` comes back by itself; the others are merely free to be started again.
  if (entry.definition.restart === 'always')
    return `backing-off, restarts in ${duration(Math.max(left, 0))} (failure ${state.attempts})`;
  return left > 0
    ? `backing-off, calls fail for ${duration(left)} more (failure ${state.attempts})`
    : 'stopped';
}

function problemOf(sight: Sight, entry: CatalogEntry): string | undefined {
  const state = sight.state(entry.definition.name);
  const live = 'problem' in state ? state.problem : 'lastProblem' in state ? state.lastProblem : undefined;
  const problem = live ?? entry.problem;
  const parts = [
    problem ? `${problem.message}${problem.hint ? ` ${problem.hint}` : ''}` : '',
    entry.stale ? `The tools may be out of date: ${entry.stale}.` : '',
    sight.catalog.isWhole(entry.definition.name) ? (waitingNote(entry) ?? '') : '',
    ...entry.toolProblems.slice(0, 3),
  ].filter((part) => part !== '');
  return parts.length > 0 ? parts.join(' ') : undefined;
}

function page(
  input: { limit: number; offset: number },
  total: number,
): { total: number; next_offset?: number } {
  const end = input.offset + input.limit;
  return { total, ...(end < total ? { next_offset: end } : {}) };
}

/** What tasks there are, by their states. */
export function taskCounts(statistics: TaskStatistics): Record<string, number> {
  const { size: _size, workers: _workers, ...counts } = statistics;
  return counts;
}
