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
export function inOrder<T extends Waiting>(waiting: Iterable<T>, now: number, ageingMs: number): T[] {
  const rank = (task: T) => (now - task.createdAt >= ageingMs ? Number.NEGATIVE_INFINITY : task.priority);
  return [...waiting].sort((a, b) => {
    const [first, second] = [rank(a), rank(b)];
    return first === second ? a.seq - b.seq : first - second;
  });
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
  return inOrder(waiting, now, ageingMs).find((task) => running(task.server) < cap(task));
}
