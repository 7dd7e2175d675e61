import { RuntimeError } from '../core/errors.js';
import type { KnownServer } from '../core/server.js';
import { exact } from '../lib/escape.js';
import { nearest } from '../lib/nearest.js';
import { hasUnseen } from '../lib/printable.js';
import type { Withheld } from './pins/approvals.js';

/** The error for a server that is not there, with the nearest of these names. */
export function serverNotFound(name: string, among: Iterable<string>): RuntimeError {
  const like = nearest(name, among);
  return new RuntimeError('SERVER_NOT_FOUND', `There is no server "${name}".`, {
    hint:
      like.length > 0
        ? `Did you mean ${like.join(', ')}?`
        : 'list_servers shows all; search_tools finds by purpose.',
    data: { nearest: like },
  });
}

/** The error for a tool that is not there, or not to be used: the same on every way to it. */
export function toolNotFound(
  entry: { readonly definition: KnownServer; readonly withheld: ReadonlyMap<string, Withheld> },
  tool: string,
  among: Iterable<string>,
): RuntimeError {
  const { name: server, blockedTools } = entry.definition;
  if (blockedTools.includes(tool)) {
    return new RuntimeError(
      'TOOL_BLOCKED',
      `The tool "${tool}" of server "${server}" is blocked in its definition.`,
      {
        hint: 'Use another tool; the user can change "blocked_tools" in the servers file.',
      },
    );
  }
  const why = entry.withheld.get(tool);
  if (why !== undefined) return notApproved(server, tool, why);
  const like = nearest(tool, among);
  return new RuntimeError('TOOL_NOT_FOUND', `The server "${server}" has no tool "${tool}".`, {
    hint:
      like.length > 0
        ? `Did you mean ${like.join(', ')}?`
        : `get_server_tools(server_name="${server}") lists them.`,
    data: { nearest: like },
  });
}

/** What a person types to look at what waits for approval. */
export function approveCommand(server: string): string {
  const plain = /^[\w@%+=:,./-]+$/.test(server) && !server.startsWith('-');
  const word = hasUnseen(server) ? exact(server) : `'${server.replaceAll("'", "'\\''")}'`;
  return `mcp-runtime approve ${plain ? server : word}`;
}

const reasons = {
  new: 'is not approved',
  changed: 'has changed since it was approved',
  server: 'cannot be used, because nobody has approved the server',
} as const;

function notApproved(server: string, tool: string, why: Withheld): RuntimeError {
  if (why === 'unreadable') {
    return new RuntimeError('STORAGE_FAILED', 'What was approved cannot be read, so no tool is used.', {
      hint: 'list_servers says why; the user can mend it.',
    });
  }
  return new RuntimeError('NOT_APPROVED', `The tool "${tool}" of server "${server}" ${reasons[why]}.`, {
    hint: `It is not used until the user has looked at it and approved it: ${approveCommand(server)}`,
    data: { server, tool, reason: why },
  });
}
