import type { KnownServer, ListedTool, ServerIdentity } from '../../core/server.js';
import type { ToolDocument } from './document.js';

/** What search reads of the tools of one server. */
export function documentsOf(
  definition: KnownServer,
  tools: readonly ListedTool[],
  identity: ServerIdentity | undefined,
): ToolDocument[] {
  const told = definition.transport === 'index' ? definition.told : undefined;
  const serverText = [told?.title, told?.summary, identity?.title, identity?.instructions]
    .filter(Boolean)
    .join(' ');
  return tools.map((tool) => ({
    server: definition.name,
    tool: tool.name,
    ...(tool.title === undefined ? {} : { title: String(tool.title) }),
    ...(tool.description === undefined ? {} : { description: String(tool.description) }),
    inputSchema: tool.inputSchema,
    serverText,
    hints: definition.hints,
  }));
}
