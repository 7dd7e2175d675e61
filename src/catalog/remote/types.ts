import type { ListedTool } from '../../core/server.js';

/** A server as an index describes it, whichever spelling it uses. */
export interface IndexServer {
  readonly name: string;
  readonly title?: string | undefined;
  readonly summary?: string | undefined;
  readonly capabilities: readonly string[];
  readonly limitations: readonly string[];
  readonly toolCount: number;
  /** 0..1, in search results. */
  readonly score?: number | undefined;
}

/** A tool as an index describes it, and the server it is on. */
export interface IndexTool {
  readonly server: string;
  readonly tool: ListedTool;
  /** 0..1, in search results. */
  readonly score?: number | undefined;
}

/** How old an answer is. */
export interface Freshness {
  /** The index could not be asked: this is the last good copy. `problems` says why. */
  readonly stale: boolean;
  /** When the index gave it, ms since the epoch. */
  readonly since: number;
  /** What was left out or went wrong, for people. */
  readonly problems: readonly string[];
}

export interface SearchQuery {
  readonly query: string;
  readonly limit?: number | undefined;
  readonly minScore?: number | undefined;
}

export interface ToolSearchQuery extends SearchQuery {
  readonly serverNames?: readonly string[] | undefined;
  readonly type?: 'app' | 'mcp' | 'custom' | 'base' | undefined;
  readonly enabled?: boolean | undefined;
}

/** What an index is given to add: a program or an address. */
export interface IndexServerInput {
  readonly name: string;
  readonly command?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly url?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Seconds the index waits for the server to start. */
  readonly timeout?: number | undefined;
  readonly alpha?: number | undefined;
}

export interface BulkAnswer {
  readonly results: readonly {
    readonly name: string;
    readonly success: boolean;
    readonly message: string;
    readonly server?: IndexServer | undefined;
  }[];
  readonly successCount: number;
  readonly failedCount: number;
  readonly totalCount: number;
}
