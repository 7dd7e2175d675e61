import { RuntimeError } from '../core/errors.js';
import type { ListedTool } from '../core/server.js';
import type { RequestOptions } from '../core/upstream.js';
import { exact } from '../lib/escape.js';
import { hasUnseen, oneLine } from '../lib/printable.js';
import { MAX_DEPTH } from './message.js';
import type { Peer } from './peer.js';

const MAX_PAGES = 1_000;
/** So many are hashed, compared and kept in half a second, in which nobody else is served. */
const MAX_TOOLS = 20_000;
const MAX_BYTES = 64 * 1_024 * 1_024;
const MAX_CURSOR = 64 * 1_024;
const MAX_NAME = 512;
/** So many pages in a row without a tool that was not seen yet are a loop with changing cursors. */
const MAX_STALE_PAGES = 10;
/** Further problems are only counted. */
const MAX_PROBLEMS = 20;

export interface ToolList {
  tools: ListedTool[];
  problems: string[];
}

/**
 * Walks `tools/list` to its end, within `timeoutMs` for all pages. What a server does wrong after the first page ends
 * the walk with a problem, not with an error: its tools so far stay usable.
 */
export async function listTools(peer: Pick<Peer, 'request'>, options: RequestOptions): Promise<ToolList> {
  const until = performance.now() + options.timeoutMs;
  const collector = new ToolCollector();
  const cursors = new Set<string>();
  let cursor: string | undefined;
  for (let page = 1; ; page += 1) {
    let answer: Record<string, unknown>;
    try {
      const remaining = { ...options, timeoutMs: Math.max(1, until - performance.now()) };
      const payload = await peer.request('tools/list', cursor === undefined ? {} : { cursor }, remaining, {
        maxDepth: Number.POSITIVE_INFINITY,
      });
      collector.bytes += payload.byteLength;
      answer = payload.value as Record<string, unknown>;
    } catch (error) {
      if (page === 1 || !mayKeep(error, options)) throw error;
      collector.problem(
        `The list of tools is not complete, page ${page} failed: ${(error as Error).message}`,
      );
      break;
    }
    collector.addPage(answer['tools']);
    const next = answer['nextCursor'];
    if (next === undefined || next === null || next === '') break;
    const stop = whyStop(next, page, cursors, collector);
    if (stop) {
      collector.problem(`The list of tools may not be complete: ${stop}.`);
      break;
    }
    cursor = next as string;
    cursors.add(cursor);
  }
  return collector.finish();
}

/** A server that ended or a caller that left ends the walk for good. */
function mayKeep(error: unknown, options: RequestOptions): boolean {
  if (!(error instanceof RuntimeError) || options.signal.aborted) return false;
  return (
    error.code === 'TIMEOUT' ||
    error.code === 'UPSTREAM_ERROR' ||
    error.code === 'UPSTREAM_PROTOCOL' ||
    error.code === 'RESULT_TOO_LARGE'
  );
}

function whyStop(
  next: unknown,
  page: number,
  seen: ReadonlySet<string>,
  collector: ToolCollector,
): string | undefined {
  if (typeof next !== 'string') return 'its cursor is not a string';
  if (next.length > MAX_CURSOR) return `its cursor is longer than ${MAX_CURSOR} characters`;
  if (seen.has(next)) return 'the server gave the same cursor twice';
  if (collector.stalePages >= MAX_STALE_PAGES) return `${MAX_STALE_PAGES} pages in a row brought nothing new`;
  if (page >= MAX_PAGES) return `it has more than ${MAX_PAGES} pages`;
  if (collector.isFull) return `it has more than ${MAX_TOOLS} tools`;
  if (collector.bytes > MAX_BYTES) return `it is larger than ${MAX_BYTES} bytes`;
  return undefined;
}

class ToolCollector {
  bytes = 0;
  stalePages = 0;
  readonly #tools = new Map<string, ListedTool>();
  readonly #problems: string[] = [];
  #moreProblems = 0;
  #duplicates = 0;
  #firstDuplicate = '';
  #surplus = 0;

  get isFull(): boolean {
    return this.#tools.size >= MAX_TOOLS;
  }

  addPage(list: unknown): void {
    if (!Array.isArray(list)) {
      this.problem('An answer to tools/list has no array "tools".');
      return;
    }
    const before = this.#tools.size;
    for (const [index, tool] of list.entries()) this.#add(tool, index);
    this.stalePages = this.#tools.size > before ? 0 : this.stalePages + 1;
  }

  problem(text: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(text);
    else this.#moreProblems += 1;
  }

  finish(): ToolList {
    const problems = [...this.#problems];
    if (this.#duplicates > 0) {
      problems.push(
        `${this.#duplicates} entries repeat the name of an earlier tool and are left out, the first is "${this.#firstDuplicate}".`,
      );
    }
    if (this.#surplus > 0)
      problems.push(`${this.#surplus} tools are left out: at most ${MAX_TOOLS} are accepted.`);
    if (this.#moreProblems > 0) problems.push(`${this.#moreProblems} further problems.`);
    return { tools: [...this.#tools.values()], problems };
  }

  #add(tool: unknown, index: number): void {
    if (typeof tool !== 'object' || tool === null || Array.isArray(tool)) {
      this.problem(`Tool number ${index + 1} is not an object and is left out.`);
      return;
    }
    const { name } = tool as { name?: unknown };
    const wrong = whyUnusable(name);
    if (wrong !== undefined || typeof name !== 'string') {
      this.problem(`Tool number ${index + 1} is left out: its name ${wrong}.`);
    } else if (this.#tools.has(name)) {
      if (this.#duplicates === 0) this.#firstDuplicate = oneLine(name, 100);
      this.#duplicates += 1;
    } else if (this.isFull) this.#surplus += 1;
    else if (isDeeper(tool, MAX_DEPTH)) {
      this.problem(
        `The tool "${oneLine(name, 100)}" is left out: it is nested deeper than ${MAX_DEPTH} levels.`,
      );
    } else this.#tools.set(name, this.#withUsableTexts(tool as Record<string, unknown>, name));
  }

  /** Fields that everybody reads as text or as an object lose a value that is neither; the rest stays as it came. */
  #withUsableTexts(tool: Record<string, unknown>, name: string): ListedTool {
    let kept = tool;
    for (const [field, type] of [
      ['title', 'string'],
      ['description', 'string'],
      ['annotations', 'object'],
    ] as const) {
      const value = kept[field];
      if (value === undefined || (value !== null && typeof value === type && !Array.isArray(value))) continue;
      const { [field]: _wrong, ...others } = kept;
      kept = others;
      if (value !== null)
        this.problem(
          `The ${field} of the tool "${oneLine(name, 100)}" is not ${type === 'string' ? 'a string' : 'an object'} and is ignored.`,
        );
    }
    return kept as ListedTool;
  }
}

function whyUnusable(name: unknown): string | undefined {
  if (typeof name !== 'string') return name === undefined ? 'is missing' : 'is not a string';
  if (name === '') return 'is empty';
  if (name.length > MAX_NAME) return `is longer than ${MAX_NAME} characters`;
  // A name that reads like another one is no name to choose by.
  if (hasUnseen(name) || /[\t\n\r\u200c\u200d]/.test(name))
    return `${exact(name.slice(0, 100))} has characters that cannot be seen`;
  if (name !== name.trim() || /\s{2}/.test(name))
    return `${exact(name.slice(0, 100))} has spaces that cannot be seen`;
  return undefined;
}

/** Without recursion, which is the point. */
function isDeeper(value: object, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    const next: unknown[] = [];
    for (const one of level) {
      for (const child of Object.values(one as object))
        if (typeof child === 'object' && child !== null) next.push(child);
    }
    level = next;
  }
  return false;
}
