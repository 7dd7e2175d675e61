import { lstat } from 'node:fs/promises';

/**
 * Whether there is something at a path, though opening it says that there is nothing: a link to a place that is gone, or
 * not mounted yet. Who put a lock behind a link has one. Never rejects.
 */
export function isDangling(path: string): Promise<boolean> {
  return lstat(path).then(
    (facts) => facts.isSymbolicLink(),
    () => false,
  );
}
