import { Breather } from '../../lib/breather.js';
import type { ToolDocument } from './document.js';
import type { SearchIndex } from './search-index.js';

/** So many tools are read in some 50 ms; above that a search must not wait for it. */
const MOST_UNREAD = 300;

/** So long a search waits for what is being read, ms; then it goes by what is there. */
const MOST_WAIT_MS = 1_000;

/**
 * An index that is made at its first search: the table of meanings takes 20 MB and a tenth of a second, and an engine whose
 * clients know what they want never needs it. With more than `MOST_UNREAD` tools it is made at once.
 * A server with more tools than that is read piece by piece: a list of 10,000 would hold everybody up for a second.
 * @param onRead hears when such a list was read to its end.
 */
export function lazyIndex(make: () => SearchIndex, onRead: () => void = () => {}): SearchIndex {
  const unread = new Map<string, readonly ToolDocument[]>();
  let size = 0;
  let made: SearchIndex | undefined;
  const index = (): SearchIndex => {
    if (made) return made;
    made = make();
    for (const [server, docs] of unread) take(made, server, docs);
    unread.clear();
    return made;
  };
  const reading = new Map<string, Iterator<void>>();
  const waiting: (() => void)[] = [];
  const take = (into: SearchIndex, server: string, docs: readonly ToolDocument[]) => {
    reading.delete(server);
    if (docs.length <= MOST_UNREAD) return into.replaceServer(server, docs);
    const work = into.replacing(server, docs);
    reading.set(server, work);
    void readOn(server, work);
  };
  const readOn = async (server: string, work: Iterator<void>) => {
    const breather = new Breather();
    while (reading.get(server) === work) {
      if (work.next().done) {
        reading.delete(server);
        onRead();
      } else if (breather.isDue) await breather.pause({ unref: true });
    }
    if (reading.size === 0) for (const resolve of waiting.splice(0)) resolve();
  };
  const settled = async (): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      timer = setTimeout(resolve, MOST_WAIT_MS);
    });
    clearTimeout(timer);
  };
  const forget = (server: string) => {
    size -= unread.get(server)?.length ?? 0;
    unread.delete(server);
  };
  return {
    get size() {
      return made?.size ?? size;
    },
    get unread() {
      return reading.size;
    },
    settled: () => (reading.size === 0 ? undefined : settled()),
    replaceServer: (server, docs) => {
      if (made) return take(made, server, docs);
      forget(server);
      unread.set(server, docs);
      size += docs.length;
      if (size > MOST_UNREAD) index();
    },
    replacing: (server, docs) => {
      reading.delete(server);
      return index().replacing(server, docs);
    },
    removeServer: (server) => {
      reading.delete(server);
      return made ? made.removeServer(server) : forget(server);
    },
    search: (query, options) => index().search(query, options),
    searchServers: (query, options) => index().searchServers(query, options),
    pending: (model, most) => index().pending(model, most),
    setVector: (pending, model, vector) => index().setVector(pending, model, vector),
  };
}
