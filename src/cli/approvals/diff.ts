import type { ListedTool } from '../../core/server.js';
import { escapeUnseen } from '../../lib/escape.js';

/** Above this many lines before and after, both are shown whole. */
const MAX_COMPARED = 2_000;

/**
 * What of a tool is other than before, line by line, whole: `-` was approved, `+` is offered. Nothing is cut off, and
 * everything is escaped that a terminal would obey or that cannot be seen.
 */
export function toolDiff(approved: ListedTool | undefined, offered: ListedTool): string[] {
  const keys = [...new Set([...Object.keys(approved ?? {}), ...Object.keys(offered)])].filter(
    (key) => key !== 'name',
  );
  return keys.flatMap((key) => {
    const before = linesOf(approved?.[key]);
    const after = linesOf(offered[key]);
    if (before.join('\n') === after.join('\n')) return [];
    return [`${escapeUnseen(key)}:`, ...lineDiff(before, after).map((line) => `  ${line}`)];
  });
}

/** Texts line by line, everything else as JSON, a line for each value. */
function linesOf(value: unknown): string[] {
  if (value === undefined) return [];
  const text = typeof value === 'string' ? value : (JSON.stringify(value, undefined, 2) ?? '');
  return text.split('\n').map(escapeUnseen);
}

function lineDiff(before: readonly string[], after: readonly string[]): string[] {
  if (before.length + after.length > MAX_COMPARED)
    return [...before.map((line) => `- ${line}`), ...after.map((line) => `+ ${line}`)];
  const common = commonLines(before, after);
  const shown: string[] = [];
  let at = 0;
  let to = 0;
  for (const line of [...common, undefined]) {
    while (at < before.length && before[at] !== line) shown.push(`- ${before[at++]}`);
    while (to < after.length && after[to] !== line) shown.push(`+ ${after[to++]}`);
    at += 1;
    to += 1;
  }
  return shown;
}

/** The longest common subsequence. */
function commonLines(before: readonly string[], after: readonly string[]): string[] {
  const width = after.length + 1;
  const lengths = new Uint16Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1)
    for (let j = after.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] =
        before[i] === after[j]
          ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
  const common: string[] = [];
  for (let i = 0, j = 0; i < before.length && j < after.length; ) {
    if (before[i] === after[j]) {
      common.push(before[i] ?? '');
      i += 1;
      j += 1;
    } else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) i += 1;
    else j += 1;
  }
  return common;
}
