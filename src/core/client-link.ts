/** What the client answered to an `input_required` of a server (2026-07-28), passed on as it came. */
export interface Round {
  readonly inputResponses?: unknown;
  readonly requestState?: unknown;
}

/** The client of a call, as far as the servers that serve the call may reach it. */
export interface ClientLink {
  readonly clientId: string;
  /** As it declared them. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** Least severe log level it wants to see; undefined: it named none. */
  readonly logLevel?: string | undefined;
  /** The directory its front-end was started in, where client and front-end are on one machine. */
  readonly workspace?: string | undefined;
  /** Present when it takes `input_required` by itself: then a server's own rounds pass through untouched. */
  readonly round?: Round | undefined;
  /**
   * The call is a task: whoever looks after it answers, which may be the model, and may take as long as the task lets
   * them. Nobody who can be asked in passing, and no proof that a person agreed.
   */
  readonly later?: boolean | undefined;
  /** Asks it. Rejects with `{code, message, data?}`: a JSON-RPC error for the server. */
  ask(method: string, params: unknown): Promise<unknown>;
  /** Tells it what belongs to its call. Never throws. */
  tell(method: string, params: Readonly<Record<string, unknown>>): void;
}

/** Severity of the log levels of RFC 5424, as MCP names them. */
export const LOG_LEVELS: readonly string[] = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
];

/** Whether a message of this level is wanted. What has no known level is. */
export function isWanted(level: unknown, least: string | undefined): boolean {
  const at = LOG_LEVELS.indexOf(String(level));
  return at < 0 || at >= LOG_LEVELS.indexOf(least ?? 'debug');
}
