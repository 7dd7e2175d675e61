import type { ClientLink } from './client-link.js';
import type { Payload } from './payload.js';
import type { ListedTool, ServerIdentity } from './server.js';

/** MCP's result of `tools/call`, as it came. Only `content` is looked at here; everything else passes through. */
export interface CallToolResult {
  readonly content?: readonly ContentBlock[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
  readonly [key: string]: unknown;
}

/** A content block of any kind, known or not yet known. */
export interface ContentBlock {
  readonly type: string;
  readonly [key: string]: unknown;
}

export interface Progress {
  readonly progress: number;
  readonly total?: number | undefined;
  readonly message?: string | undefined;
}

export interface RequestOptions {
  /** Ends the waiting; the upstream is told with `notifications/cancelled`. */
  readonly signal: AbortSignal;
  /** Milliseconds for the whole request: write, wait and read. */
  readonly timeoutMs: number;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** With it progress gives the request its `timeoutMs` again, up to so many milliseconds in all. */
  readonly maxTimeoutMs?: number | undefined;
  /** `_meta` of the caller's request, passed on as it is (a progress token is replaced by our own). */
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  /** Who is asked when the server asks back, and told what it tells meanwhile. Default: nobody. */
  readonly client?: ClientLink | undefined;
}

/** Why a session is over. Facts as fields; `message` is prose for people. */
export interface SessionEnd {
  readonly reason: 'closed' | 'exited' | 'lost' | 'protocol';
  readonly message: string;
  readonly exitCode?: number | undefined;
  readonly exitSignal?: string | undefined;
  /** The last lines of stderr, at most 64 KiB. */
  readonly stderr?: string | undefined;
}

/**
 * How long a server gets to end by itself. `calm`: it may save its work (2 s after the end of its input, 3 s after
 * SIGTERM). `brisk`: our own client waits for us to end, and clients of the SDK kill what has not ended after 4 s.
 * `hasty`: it never served anyone.
 */
export type ClosePace = 'calm' | 'brisk' | 'hasty';

export type UpstreamEvent =
  | { readonly type: 'tools-changed' }
  | {
      readonly type: 'log';
      readonly level: string;
      readonly logger?: string | undefined;
      readonly data: unknown;
      /** `told`: the client whose call it belongs to has it. `unclear`: it may belong to any of several. */
      readonly belongs?: 'told' | 'unclear' | undefined;
    }
  /** Something else that concerns whoever uses the server; `method` and `params` as they came. */
  | {
      readonly type: 'notification';
      readonly method: string;
      readonly params: Readonly<Record<string, unknown>> | undefined;
    }
  | { readonly type: 'noise'; readonly lines: number };

/**
 * One initialised MCP session with an upstream server, whatever its transport. Requests run concurrently.
 * Every method rejects with a RuntimeError; after the session ended, with SERVER_DIED.
 */
export interface UpstreamSession {
  readonly identity: ServerIdentity;
  /** Process id of the direct child; undefined for remote servers. */
  readonly pid: number | undefined;
  /** False from the moment on when no further answer can come; what was started may still be ending then. */
  readonly isOpen: boolean;
  /** Resolves, never rejects, once nothing of the session is left. */
  readonly ended: Promise<SessionEnd>;
  /** All pages. Tools without a usable name are left out; `problems` says which and why. */
  listTools(options: RequestOptions): Promise<{ tools: ListedTool[]; problems: string[] }>;
  callTool(
    name: string,
    args: Readonly<Record<string, unknown>>,
    options: RequestOptions,
  ): Promise<Payload<CallToolResult>>;
  /** Any other request, its result as it came. */
  request(
    method: string,
    params: Readonly<Record<string, unknown>> | undefined,
    options: RequestOptions,
  ): Promise<Payload>;
  /** Says something that wants no answer. Never rejects; a server without sessions is not told. */
  tell(method: string): Promise<void>;
  subscribe(listener: (event: UpstreamEvent) => void): () => void;
  /** Ends the session and everything it started; resolves when the last process is gone. Idempotent. */
  close(pace?: ClosePace): Promise<SessionEnd>;
}
