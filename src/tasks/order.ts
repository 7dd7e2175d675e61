/** What decides when a waiting task runs. */
export interface Waiting {
  readonly id: string;
  readonly server: string;
  readonly priority: number;
  /** Order of arrival. */
  readonly seq: number;
  readonly createdAt: number;
}

/**
 * Lower priority number first, then in order of arrival. Who has waited for `ageingMs` goes before all who have not,
 * so that a steady stream of urgent tasks cannot keep the others out for ever.
 */
function comparator(now: number, ageingMs: number): (a: Waiting, b: Waiting) => number {
  const rank = (task: Waiting) =>
    now - task.createdAt >= ageingMs ? Number.NEGATIVE_INFINITY : task.priority;
  return (a, b) => {
    const [first, second] = [rank(a), rank(b)];
    return first === second ? a.seq - b.seq : first - second;
  };
}

/** How many start before this one. One pass: a queue may hold a hundred thousand. */
export function ahead(waiting: Iterable<Waiting>, task: Waiting, now: number, ageingMs: number): number {
  const compare = comparator(now, ageingMs);
  let count = 0;
  for (const other of waiting) if (compare(other, task) < 0) count += 1;
  return count;
}

/**
 * The next one to start: the first in order whose server is not at its cap.
 * @param running how many tasks of a server run.
 */
export function nextToStart<T extends Waiting>(
  waiting: Iterable<T>,
  now: number,
  ageingMs: number,
  running: (server: string) => number,
  cap: (task: T) => number,
): T | undefined {
  const compare = comparator(now, ageingMs);
  let best: T | undefined;
  for (const task of waiting) {
    if (best !== undefined && compare(best, task) < 0) continue;
    if (running(task.server) < cap(task)) best = task;
  }
  return best;
}
