/** Small pieces of the answers' text; a model pays for each word of them. */

/** `Next: ...`, the one line that says what to do now. */
export const next = (step: string): string => `\nNext: ${step}`;

export function list(lines: readonly string[], whenEmpty: string): string {
  return lines.length === 0 ? whenEmpty : lines.join('\n');
}

/** ` (3 of 20; offset=3 for more)`, or nothing when everything is shown. */
export function paging(shown: number, total: number, nextOffset: number | undefined): string {
  return nextOffset === undefined ? '' : `\n(${shown} of ${total}; offset=${nextOffset} for more)`;
}

export const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

/** Seconds and minutes as a person says them. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

export const mebibytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MB`;
