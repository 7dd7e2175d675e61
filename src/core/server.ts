import type { Policy } from './policy.js';

/** How often and for whom a server may run again after it ended by itself. */
export type RestartPolicy = 'never' | 'on-failure' | 'always';

/** What the processes of a server may take. Who takes more is ended, or gets an error of the system (open files). */
export interface ServerLimits {
  /** All of them together. */
  readonly memoryBytes?: number | undefined;
  /** Processors they keep busy together, over half a minute. */
  readonly cpuCores?: number | undefined;
  /** So many at once. */
  readonly processes?: number | undefined;
  /** Of each process. */
  readonly openFiles?: number | undefined;
  /** Size of any file that one of them writes. */
  readonly fileBytes?: number | undefined;
}

interface DefinitionBase {
  readonly name: string;
  /** Time for start and `initialize`, ms. */
  readonly startTimeoutMs: number;
  /** Ms without use after which the server is stopped; 0: never. */
  readonly idleTimeoutMs: number;
  /** Calls in flight at once; further ones wait their turn. */
  readonly maxConcurrency: number;
  readonly sharing: 'shared' | 'per-client';
  readonly restart: RestartPolicy;
  readonly limits?: ServerLimits | undefined;
  /** Whether progress of a call gives it its time-out again, up to `maxTimeoutMs` for the whole call. */
  readonly resetTimeoutOnProgress?: boolean | undefined;
  /** Longest time of a call that is prolonged by progress, ms. */
  readonly maxTimeoutMs?: number | undefined;
  /** Shown to clients as if it were our own: all of it, or these tools. */
  readonly pin?: true | readonly string[] | undefined;
  /** Said by the user about this server: shown to the model, and searched. */
  readonly hints: readonly string[];
  readonly blockedTools: readonly string[];
  /** Who may use which of its tools; its rules speak of tools alone. */
  readonly policy?: Policy | undefined;
  readonly disabled: boolean;
  /** Learn the tools again even though the definition is unchanged. */
  readonly overwrite: boolean;
  /** Names of environment variables or secrets that it takes from outside. */
  readonly needs?: readonly string[] | undefined;
  /** Where the definition came from: the user's servers file, or an index. */
  readonly source: 'file' | 'index' | 'added';
  /** SHA-256, hex, over how the user wrote that it is started or reached: placeholders unfilled. Absent: not of a file. */
  readonly written?: string | undefined;
}

/** What a server may reach of this machine: all of it is read-only, and what is not said is not given. */
export interface Sandbox {
  readonly network: boolean;
  /** Directories that it may change, absolute. */
  readonly write: readonly string[];
  /** What it sees although it lies in a place that is hidden, absolute. */
  readonly read: readonly string[];
  /** Directories that it does not see, absolute. */
  readonly hide: readonly string[];
  /** An image: then it runs in a container instead, and sees of this machine only what it may change. */
  readonly docker?: string | undefined;
}

export interface StdioDefinition extends DefinitionBase {
  readonly transport: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly sandbox?: Sandbox | undefined;
}

export interface RemoteDefinition extends DefinitionBase {
  readonly transport: 'streamable-http' | 'sse';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything needed to start one upstream server: resolved and frozen. */
export type ServerDefinition = StdioDefinition | RemoteDefinition;

/** What a remote index tells of a server; nothing was started for it. */
export interface IndexedFacts {
  readonly title: string | undefined;
  readonly summary: string | undefined;
  readonly capabilities: readonly string[];
  readonly limitations: readonly string[];
  /** Undefined while the index has not told them. */
  readonly tools: readonly ListedTool[] | undefined;
  /** What is wrong with some of the tools, for people. */
  readonly problems: readonly string[];
  /** Why this may be out of date. */
  readonly stale: string | undefined;
  /** When the index told it, ms since the epoch. */
  readonly since: number;
  /** SHA-256 over the tools, hex. */
  readonly toolsHash: string;
}

/** A server that an index knows. How it is started is asked of the index only when it is to be started. */
export interface IndexedDefinition extends DefinitionBase {
  readonly transport: 'index';
  /** The index as it may be shown. */
  readonly index: string;
  readonly told: IndexedFacts;
}

/** Every server that can be named: one that can be started as it stands, or one of an index. */
export type KnownServer = ServerDefinition | IndexedDefinition;

/** Why a server is not usable, in words that can be shown. */
export interface ServerProblem {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The life of one server; the facts of a state stand in its arm. Times are ms since the epoch. */
export type ServerState =
  | { readonly status: 'stopped'; readonly lastProblem?: ServerProblem | undefined }
  | { readonly status: 'starting'; readonly since: number }
  | { readonly status: 'ready'; readonly since: number; readonly pid?: number | undefined }
  | { readonly status: 'draining'; readonly since: number }
  | {
      readonly status: 'backing-off';
      readonly until: number;
      readonly attempts: number;
      readonly problem: ServerProblem;
      /** A remote server whose session stands since then: nothing is started, the next request after `until` tries it. */
      readonly connectedSince?: number | undefined;
    }
  | { readonly status: 'failed'; readonly problem: ServerProblem }
  | { readonly status: 'needs-auth'; readonly problem: ServerProblem };

/** What a server says of itself in `initialize`. */
export interface ServerIdentity {
  readonly name: string;
  readonly version: string;
  readonly title?: string | undefined;
  readonly instructions?: string | undefined;
  readonly protocolVersion: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/** A tool as its server listed it. Unknown fields are kept: they belong to the server. */
export interface ListedTool {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly inputSchema?: unknown;
  readonly outputSchema?: unknown;
  readonly annotations?: ToolAnnotations | undefined;
  readonly [key: string]: unknown;
}

/** Hints of the specification (2025-11-25, Tool annotations). Never trusted for safety. */
export interface ToolAnnotations {
  readonly title?: string;
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
  readonly openWorldHint?: boolean;
}
