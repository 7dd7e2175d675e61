import type { ListedTool } from '../core/server.js';
import { cut, printable, visible } from '../lib/printable.js';

/** Of one description, of a tool or of an argument; UTF-8. */
const MAX_TEXT_BYTES = 2_048;
/** Keys of a schema whose text is for readers alone; every other text may be compared by the server. */
const PROSE = new Set(['title', 'description', '$comment', 'markdownDescription']);

/**
 * A tool as it may stand before a model: nothing in it that cannot be seen, turns the direction of text or is obeyed by a
 * terminal; descriptions bounded. What is for programs alone (`_meta`, icons) stays. The same object where there is
 * nothing to clean.
 */
export function cleanTool(tool: ListedTool): ListedTool {
  let changed = false;
  const entries = Object.entries(tool).map(([key, value]): [string, unknown] => {
    const clean = key === '_meta' || key === 'icons' || key === 'name' ? value : cleanValue(key, value);
    changed ||= clean !== value;
    return [key, clean];
  });
  return changed ? (Object.fromEntries(entries) as ListedTool) : tool;
}

/** A text for readers, bounded. */
export const cleanText = (text: string): string => cut(printable(text), MAX_TEXT_BYTES);

/** Tools that are nested too deep never get here. */
function cleanValue(key: string, value: unknown): unknown {
  if (typeof value === 'string') return PROSE.has(key) ? cleanText(value) : visible(value);
  if (Array.isArray(value)) {
    const items = value.map((item) => cleanValue('', item));
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  if (typeof value !== 'object' || value === null) return value;
  let changed = false;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => {
    const cleanName = visible(name);
    const clean = cleanValue(name, inner);
    changed ||= cleanName !== name || clean !== inner;
    return [cleanName, clean];
  });
  return changed ? Object.fromEntries(entries) : value;
}
