import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ClientLink } from '../core/client-link.js';
import type { ServerDefinition, StdioDefinition } from '../core/server.js';
import { deadline, untilAborted } from '../lib/abort.js';

/** A client that does not answer at once is not waited for: the server starts without. */
const ROOTS_MS = 3_000;
/** More of them are not looked at for one that is here. */
const MAX_ROOTS = 32;
const PLACEHOLDER = /\$\{workspace(?:Root|Folder)\}/g;

/** Where a client works. */
export interface Workspace {
  /** What it answered to `roots/list`; undefined when it was not asked or did not answer. */
  readonly roots: unknown;
  /** First of its roots that is a directory here, else the directory its front-end was started in. */
  readonly directory: string | undefined;
}

/** Asks the client of a server of its own. Never rejects. */
export async function workspaceOf(client: ClientLink | undefined, signal: AbortSignal): Promise<Workspace> {
  const own = client?.workspace;
  if (client?.capabilities['roots'] === undefined || client.round || client.later)
    return { roots: undefined, directory: own };
  using limit = deadline(ROOTS_MS, () => new Error('the client did not tell its roots'), signal);
  const answered = await untilAborted(client.ask('roots/list', undefined), limit.signal).catch(
    () => undefined,
  );
  const roots = (answered as { roots?: unknown } | undefined)?.roots;
  if (!Array.isArray(roots)) return { roots: undefined, directory: own };
  const paths = roots.slice(0, MAX_ROOTS).flatMap((root) => pathOf((root as { uri?: unknown } | null)?.uri));
  const found = await untilAborted(firstDirectory(paths), limit.signal).catch(() => undefined);
  return { roots, directory: found ?? own };
}

/** A client over HTTP may be on another machine: what it names need not be here. */
async function firstDirectory(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) return path;
  }
  return undefined;
}

/**
 * A definition for one client: it starts where the client works, and `${workspaceRoot}` in it is that directory.
 * @param fallback for a start that is for nobody in particular, or for a client that works nowhere.
 */
export function inWorkspace(
  definition: ServerDefinition,
  directory: string | undefined,
  fallback: string,
): ServerDefinition {
  if (definition.transport !== 'stdio' || definition.sharing !== 'per-client') return definition;
  const fill = (text: string) => text.replaceAll(PLACEHOLDER, directory ?? fallback);
  const cwd = definition.cwd === undefined ? directory : fill(definition.cwd);
  const filled: StdioDefinition = {
    ...definition,
    command: fill(definition.command),
    args: definition.args.map(fill),
    env: Object.fromEntries(Object.entries(definition.env).map(([name, value]) => [name, fill(value)])),
    cwd,
  };
  return filled;
}

function pathOf(uri: unknown): string[] {
  try {
    return typeof uri === 'string' && uri.startsWith('file:') ? [fileURLToPath(uri)] : [];
  } catch {
    return [];
  }
}
