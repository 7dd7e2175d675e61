/**
 * A test for whole names: `*` stands for anything, also for nothing, `?` for one character, all else for itself. Takes
 * time linear in the name for each star, whatever the pattern.
 */
export function glob(pattern: string): (name: string) => boolean {
  if (!/[*?]/.test(pattern)) return (name) => name === pattern;
  if (/^\*+$/.test(pattern)) return () => true;
  return (name) => fits(pattern, name);
}

/** Greedy, going back to the last star alone: an earlier one never needs to take more. */
function fits(pattern: string, name: string): boolean {
  let at = 0;
  let star = -1;
  let from = 0;
  let next = 0;
  while (next < name.length) {
    const wanted = pattern[at];
    if (wanted === '*') {
      star = at;
      from = next;
      at += 1;
    } else if (wanted === '?' || (wanted !== undefined && wanted === name[next])) {
      at += 1;
      next += 1;
    } else if (star >= 0) {
      at = star + 1;
      from += 1;
      next = from;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
