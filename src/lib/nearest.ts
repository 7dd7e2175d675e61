/** Edit distance with early end; names are short. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(swap, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** The names most like the wanted one, best first, at most `count`; none when nothing is alike. */
export function nearest(wanted: string, names: Iterable<string>, count = 3): string[] {
  const plain = (name: string) =>
    name
      .toLowerCase()
      .replace(/[^a-z0-9]/g, '')
      .slice(0, 64);
  const target = plain(wanted);
  const scored: { name: string; cost: number }[] = [];
  for (const name of names) {
    const candidate = plain(name);
    const contained = target.length >= 3 && (candidate.includes(target) || target.includes(candidate));
    const cost = contained && candidate.length >= 3 ? 1 : distance(target, candidate);
    if (cost <= Math.max(2, Math.ceil(target.length / 2.5))) scored.push({ name, cost });
  }
  return scored
    .sort((a, b) => a.cost - b.cost || a.name.localeCompare(b.name))
    .slice(0, count)
    .map(({ name }) => name);
}
