import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Editors write a file in several steps; this long after the last one it is read, ms. */
const QUIET_MS = 300;

/**
 * Calls `onChange` after the file was edited, replaced, made or removed. The directory is watched, since many
 * editors put a new file in the place of the old one. @returns how to stop.
 */
export function watchFile(path: string, onChange: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
      if (name !== null && name !== basename(path)) return;
      clearTimeout(timer);
      timer = setTimeout(onChange, QUIET_MS);
      timer.unref();
    });
    // A directory that goes away ends the watching, nothing else.
    watcher.on('error', () => watcher?.close());
  } catch {
    // Not watchable (no such directory, no inotify handles left): the file is read at the next start.
  }
  return () => {
    clearTimeout(timer);
    watcher?.close();
  };
}
