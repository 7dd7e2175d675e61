import type { Environment } from './settings.js';

/** What a definition's placeholders need, and which of those are missing. */
export interface Expansion {
  readonly needs: Set<string>;
  readonly missing: Set<string>;
}

const WORKSPACE = new Set(['workspaceRoot', 'workspaceFolder']);
const PLACEHOLDER = /\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/**
 * Replaces `${NAME}`, `${env:NAME}` and `${NAME:-default}`, as the clients whose files people paste do
 * (Claude Code, Cursor). A missing name without a default is recorded and its placeholder stays.
 */
export function expand(value: string, environment: Environment, into: Expansion): string {
  return value.replace(PLACEHOLDER, (whole, name: string, byDefault: string | undefined) => {
    // Where the client works is known when its server starts.
    if (WORKSPACE.has(name)) return whole;
    into.needs.add(name);
    const found = environment[name];
    if (found !== undefined && found !== '') return found;
    if (byDefault !== undefined) return byDefault;
    into.missing.add(name);
    return whole;
  });
}
