import { sha256 } from '../../lib/hash.js';
import type { ServerJson, ToolJson } from './schemas.js';
import type { StoredServer, StoredTool } from './store.js';

/** The names of the second spelling by those of the first, wherever they stand in answers. */
const SERVER_NAMES = {
  server_name: 'name',
  nb_tools: 'nbTools',
  server_id: 'id',
  server_info: 'serverInfo',
} as const;
const TOOL_NAMES = {
  tool_name: 'name',
  tool_description: 'description',
  tool_schema: 'inputSchema',
  output_schema: 'outputSchema',
  server_name: 'serverName',
  tool_id: 'id',
} as const;

/** What requests may say in the second spelling. */
const REQUEST_NAMES = {
  name: 'server_name',
  serverName: 'server_name',
  serverNames: 'server_names',
  minScore: 'min_score',
};

export function serverJson(server: StoredServer): ServerJson {
  return {
    server_name: server.name,
    title: server.title ?? null,
    summary: server.summary ?? null,
    capabilities: [...server.capabilities],
    limitations: [...server.limitations],
    nb_tools: server.toolCount,
    ...(server.score === undefined ? {} : { server_id: idOf([server.name]), score: server.score }),
  };
}

export function toolJson({ server, tool, score }: StoredTool): ToolJson {
  const object = (value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  const outputSchema = object(tool.outputSchema);
  return {
    tool_name: tool.name,
    ...(tool.title === undefined ? {} : { title: tool.title }),
    tool_description: tool.description ?? '',
    tool_schema: object(tool.inputSchema) ?? { type: 'object' },
    ...(outputSchema === undefined ? {} : { output_schema: outputSchema }),
    ...(tool.annotations === undefined ? {} : { annotations: { ...tool.annotations } }),
    server_name: server,
    ...(score === undefined ? {} : { tool_id: idOf([server, tool.name]), score }),
  };
}

/** An answer in the second spelling. Schemas and annotations belong to the tools and are left as they are. */
export function secondSpelling(answer: object): object {
  const entries = Object.entries(answer).map(([key, value]): [string, unknown] => {
    if (key === 'tools') return [key, (value as object[]).map((tool) => renamed(tool, TOOL_NAMES))];
    if (key === 'servers' || key === 'results') return [key, (value as object[]).map(secondSpelling)];
    if (key === 'server' || key === 'server_info') return [key, renamed(value as object, SERVER_NAMES)];
    return [key, value];
  });
  const isTool = 'tool_name' in answer || 'tools' in answer;
  return renamed(Object.fromEntries(entries), isTool ? TOOL_NAMES : SERVER_NAMES);
}

/** A request body in the first spelling, whichever it came in. */
export function olderNames(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const older = { ...body } as Record<string, unknown>;
  for (const [second, first] of Object.entries(REQUEST_NAMES)) {
    if (older[first] === undefined && older[second] !== undefined) older[first] = older[second];
  }
  return older;
}

function renamed(value: object, names: Readonly<Record<string, string>>): object {
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [names[key] ?? key, inner]));
}

/** The same for the same names, and no name joined with another. */
function idOf(names: readonly string[]): string {
  return sha256(JSON.stringify(names)).slice(0, 32);
}
