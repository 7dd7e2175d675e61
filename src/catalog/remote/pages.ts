import { unavailable } from './exchange.js';

export interface Page {
  readonly entries: readonly unknown[];
  /** As the index gave them: a number, a cursor, null or nothing. */
  readonly offset: unknown;
  readonly limit: unknown;
}

interface PagingOptions {
  readonly index: string;
  readonly maxPages: number;
  /** Entries asked for per page. */
  readonly limit: number;
  /** Tells entries apart, to notice an index that gives the same page again and again. */
  readonly keyOf: (entry: unknown) => string;
}

type Offset = string | number | undefined;

/**
 * All entries of a paged list. A deployment's `offset` is the offset of this page, or of the next, or a cursor
 * for the next; it is sent back as it came. An incomplete list is an error: what is missing in it would look
 * like something that was taken away.
 * @throws RuntimeError INDEX_UNAVAILABLE when pages repeat or do not end.
 */
export async function collectPages(
  fetchPage: (offset: Offset) => Promise<Page>,
  options: PagingOptions,
): Promise<unknown[]> {
  const all: unknown[] = [];
  const keys = new Set<string>();
  const sent = new Set<Offset>();
  let offset: Offset;
  const broken = (what: string) => unavailable(options.index, 'paging', what);
  for (let pages = 0; pages < options.maxPages; pages++) {
    sent.add(offset);
    const page = await fetchPage(offset);
    const before = keys.size;
    for (const entry of page.entries) keys.add(options.keyOf(entry));
    if (pages > 0 && page.entries.length > 0 && keys.size === before)
      throw broken('gives the same page again and again');
    for (const entry of page.entries) all.push(entry);
    offset = nextOffset(page, offset, options.limit);
    if (offset === undefined) return all;
    if (sent.has(offset)) throw broken('leads in a circle from page to page');
  }
  throw broken(`has more than ${options.maxPages} pages`);
}

function nextOffset(page: Page, sent: Offset, asked: number): Offset {
  const { entries, offset } = page;
  if (typeof offset === 'string') return offset === '' ? undefined : offset;
  if (offset === null || entries.length === 0) return undefined;
  const here = typeof sent === 'number' ? sent : 0;
  if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset > here) return offset;
  const limit = typeof page.limit === 'number' && page.limit > 0 ? Math.min(page.limit, asked) : asked;
  // More than was asked for: the index does not know pages, and this is everything.
  return entries.length === limit ? here + entries.length : undefined;
}
