import { RuntimeError } from '../core/errors.js';
import { nearest } from '../lib/nearest.js';
import { type ToolDefinition, toolDefinitions, toolNames } from '../operations/tool-definition.js';

export const ROUTER_NAME = 'semantic_router';

/** All operations behind one tool, for clients whose budget of tools is tight. */
export function routerDefinition(): ToolDefinition {
  const tools = toolDefinitions();
  return {
    name: ROUTER_NAME,
    title: 'Find and run tools',
    description: [
      'Finds and runs the tools of all configured MCP servers. Give the operation and its parameters side by side. Start with search_tools.',
      ...tools.map((tool) => `${signature(tool)}: ${firstSentence(tool.description)}`),
    ].join('\n'),
    inputSchema: {
      type: 'object',
      properties: { operation: { type: 'string', enum: tools.map((tool) => tool.name) } },
      required: ['operation'],
      additionalProperties: true,
    },
    annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  };
}

/**
 * What a call of the router asks for.
 * @throws RuntimeError INVALID_ARGUMENTS when the operation is missing or unknown.
 */
export function unwrapRouterCall(args: unknown): { name: string; args: unknown } {
  const { operation, ...rest } = isRecord(args) ? args : {};
  if (typeof operation === 'string' && toolNames.includes(operation)) return { name: operation, args: rest };
  const alike = typeof operation === 'string' ? nearest(operation, toolNames) : [];
  throw new RuntimeError(
    'INVALID_ARGUMENTS',
    operation === undefined ? 'The operation is missing.' : 'There is no such operation.',
    {
      hint:
        alike.length > 0
          ? `Did you mean ${alike.join(' or ')}?`
          : `Set operation to one of ${toolNames.join(', ')}.`,
      data: { operations: toolNames },
    },
  );
}

function signature(tool: ToolDefinition): string {
  const { properties, required } = tool.inputSchema;
  const needed = new Set(Array.isArray(required) ? required : []);
  const names = Object.keys(isRecord(properties) ? properties : {});
  return `${tool.name}(${names.map((name) => (needed.has(name) ? name : `${name}?`)).join(', ')})`;
}

const firstSentence = (text: string) => /^.*?[.:](?=\s|$)/s.exec(text)?.[0].replace(/:$/, '.') ?? text;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
