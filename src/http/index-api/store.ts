import type { ListedTool } from '../../core/server.js';
import type { SealedStartup, Startup } from './seal.js';

/** A server as the index shows it. */
export interface StoredServer {
  readonly name: string;
  readonly title?: string | undefined;
  readonly summary?: string | undefined;
  readonly capabilities: readonly string[];
  readonly limitations: readonly string[];
  readonly toolCount: number;
  /** 0..1, in search results. */
  readonly score?: number | undefined;
}

/** A tool as the index shows it. */
export interface StoredTool {
  readonly server: string;
  readonly tool: ListedTool;
  /** 0..1, in search results. */
  readonly score?: number | undefined;
}

export interface PageRequest {
  readonly limit: number;
  readonly offset: number;
}

export interface ServerQuery {
  readonly query: string;
  readonly limit: number;
  readonly minScore: number;
}

export interface ToolQuery extends ServerQuery {
  readonly serverNames?: readonly string[] | undefined;
  readonly type?: 'app' | 'mcp' | 'custom' | 'base' | undefined;
  readonly enabled?: boolean | undefined;
}

/** A server to start, list and index: how to start it, and the same as it is to be stored. */
export interface ServerToIndex {
  readonly name: string;
  readonly startup: Startup;
  readonly sealed: SealedStartup;
  /** How much the own text of a server counts beside its tools, as mcp_index has it. */
  readonly alpha?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * What the routes need of an index. Lists have a stable order. Methods reject with a RuntimeError; names that are
 * not known are `undefined` or `false`.
 */
export interface IndexStore {
  list(page: PageRequest): Promise<readonly StoredServer[]>;
  get(server: string): Promise<StoredServer | undefined>;
  tools(server: string, page: PageRequest): Promise<readonly StoredTool[] | undefined>;
  tool(server: string, tool: string): Promise<StoredTool | undefined>;
  command(server: string): Promise<SealedStartup | undefined>;
  /** Resolves once the server was started, listed and indexed; the name is new. */
  add(server: ServerToIndex): Promise<StoredServer>;
  /** The same for a name that is known. When the new startup fails, the old one stays. */
  update(server: ServerToIndex): Promise<StoredServer>;
  /** @returns whether there was one. */
  remove(server: string): Promise<boolean>;
  /** Best first. */
  searchTools(query: ToolQuery): Promise<readonly StoredTool[]>;
  /** Best first. */
  searchServers(query: ServerQuery): Promise<readonly StoredServer[]>;
  statistics(): Promise<{ readonly servers: number; readonly tools: number }>;
}
