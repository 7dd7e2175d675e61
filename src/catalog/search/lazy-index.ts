import type { ToolDocument } from './document.js';
import type { SearchIndex } from './search-index.js';

/** So many tools are read in some 50 ms; above that a search must not wait for it. */
const MOST_UNREAD = 300;

/**
 * An index that is made at its first search: the table of meanings takes 20 MB and a tenth of a second, and an engine whose
 * clients know what they want never needs it. With more than `MOST_UNREAD` tools it is made at once.
 */
export function lazyIndex(make: () => SearchIndex): SearchIndex {
  const unread = new Map<string, readonly ToolDocument[]>();
  let size = 0;
  let made: SearchIndex | undefined;
  const index = (): SearchIndex => {
    if (made) return made;
    made = make();
    for (const [server, docs] of unread) made.replaceServer(server, docs);
    unread.clear();
    return made;
  };
  const forget = (server: string) => {
    size -= unread.get(server)?.length ?? 0;
    unread.delete(server);
  };
  return {
    get size() {
      return made?.size ?? size;
    },
    replaceServer: (server, docs) => {
      if (made) return made.replaceServer(server, docs);
      forget(server);
      unread.set(server, docs);
      size += docs.length;
      if (size > MOST_UNREAD) index();
    },
    removeServer: (server) => (made ? made.removeServer(server) : forget(server)),
    search: (query, options) => index().search(query, options),
    searchServers: (query, options) => index().searchServers(query, options),
    pending: (model, most) => index().pending(model, most),
    setVector: (pending, model, vector) => index().setVector(pending, model, vector),
  };
}
