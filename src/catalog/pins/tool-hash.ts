import type { ListedTool } from '../../core/server.js';
import { canonicalJson, sha256 } from '../../lib/hash.js';

/**
 * What of a tool does not reach a model, and changes without meaning anything: icons, data of clients' own, and how it
 * may be run.
 */
const UNPINNED = new Set(['_meta', 'icons', 'execution']);

/** What of a tool is agreed to: all that a model reads. */
export function pinnedPart(tool: ListedTool): ListedTool {
  return Object.fromEntries(Object.entries(tool).filter(([key]) => !UNPINNED.has(key))) as ListedTool;
}

/** SHA-256, hex; the order of keys does not matter. */
export const toolHash = (tool: ListedTool): string => sha256(canonicalJson(pinnedPart(tool)));
