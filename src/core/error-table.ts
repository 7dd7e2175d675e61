/**
 * One table of everything that can go wrong. Docs (`docs/errors.md`), HTTP status codes and exit codes are
 * derived from it; a test pins it, because scripts of users depend on the codes.
 *
 * audience: who can do something about it. `model`: change the call. `user`: change the configuration or the
 * machine. `operator`: look at the engine or at a bug.
 */
export const errorTable = {
  INVALID_ARGUMENTS: {
    audience: 'model',
    retryable: false,
    http: 400,
    exit: 2,
    says: 'The arguments do not fit the schema.',
  },
  SERVER_NOT_FOUND: {
    audience: 'model',
    retryable: false,
    http: 404,
    exit: 3,
    says: 'No server of that name is known.',
  },
  TOOL_NOT_FOUND: {
    audience: 'model',
    retryable: false,
    http: 404,
    exit: 3,
    says: 'The server has no tool of that name.',
  },
  CONTENT_NOT_FOUND: {
    audience: 'model',
    retryable: false,
    http: 404,
    exit: 3,
    says: 'No content is kept under that reference.',
  },
  TASK_NOT_FOUND: {
    audience: 'model',
    retryable: false,
    http: 404,
    exit: 3,
    says: 'No task of that id is known.',
  },
  SERVER_DISABLED: {
    audience: 'user',
    retryable: false,
    http: 403,
    exit: 4,
    says: 'The server is switched off in its definition.',
  },
  TOOL_BLOCKED: {
    audience: 'user',
    retryable: false,
    http: 403,
    exit: 4,
    says: 'The tool is blocked in the definition of its server.',
  },
  NOT_APPROVED: {
    audience: 'user',
    retryable: false,
    http: 403,
    exit: 4,
    says: 'The tool or server is new or has changed, and nobody has approved that yet.',
  },
  NOT_CONFIRMED: {
    audience: 'user',
    retryable: false,
    http: 403,
    exit: 4,
    says: 'The policy wants a person to confirm the call, and nobody did.',
  },
  SERVER_NOT_RUNNING: {
    audience: 'model',
    retryable: false,
    http: 409,
    exit: 5,
    says: 'The server is stopped and may not be started by a call.',
  },
  SERVER_START_FAILED: {
    audience: 'user',
    retryable: true,
    http: 502,
    exit: 5,
    says: 'The server could not be started.',
  },
  SERVER_DIED: {
    audience: 'user',
    retryable: true,
    http: 502,
    exit: 5,
    says: 'The server ended while a request was waiting.',
  },
  SERVER_BACKING_OFF: {
    audience: 'user',
    retryable: true,
    http: 503,
    exit: 5,
    says: 'The server failed repeatedly and is not tried again yet.',
  },
  SERVER_NEEDS_AUTH: {
    audience: 'user',
    retryable: false,
    http: 401,
    exit: 4,
    says: 'The server asks for authentication.',
  },
  SECRET_UNAVAILABLE: {
    audience: 'user',
    retryable: false,
    http: 424,
    exit: 4,
    says: 'A secret is missing, or its key cannot be used.',
  },
  UPSTREAM_ERROR: {
    audience: 'model',
    retryable: false,
    http: 502,
    exit: 6,
    says: 'The server answered with a protocol error.',
  },
  UPSTREAM_PROTOCOL: {
    audience: 'user',
    retryable: false,
    http: 502,
    exit: 6,
    says: 'The server broke the protocol.',
  },
  TIMEOUT: {
    audience: 'model',
    retryable: true,
    http: 504,
    exit: 7,
    says: 'The time for the request ran out; it may have been executed.',
  },
  CANCELLED: {
    audience: 'model',
    retryable: false,
    http: 499,
    exit: 130,
    says: 'The caller withdrew the request.',
  },
  QUEUE_FULL: {
    audience: 'model',
    retryable: true,
    http: 429,
    exit: 8,
    says: 'The background queue has no free place.',
  },
  RESULT_TOO_LARGE: {
    audience: 'model',
    retryable: false,
    http: 502,
    exit: 6,
    says: 'The result is larger than the runtime accepts.',
  },
  STORAGE_FAILED: {
    audience: 'user',
    retryable: true,
    http: 507,
    exit: 9,
    says: 'Something could not be written to or read from disk.',
  },
  CONFIG_INVALID: {
    audience: 'user',
    retryable: false,
    http: 500,
    exit: 10,
    says: 'A setting or the servers file is not valid.',
  },
  HOME_UNUSABLE: {
    audience: 'user',
    retryable: false,
    http: 500,
    exit: 10,
    says: 'The home directory cannot be used.',
  },
  PORT_IN_USE: {
    audience: 'user',
    retryable: false,
    http: 500,
    exit: 11,
    says: 'The port is taken by another program.',
  },
  UNAUTHORIZED: {
    audience: 'user',
    retryable: false,
    http: 401,
    exit: 4,
    says: 'The request carries no valid token.',
  },
  FORBIDDEN: { audience: 'user', retryable: false, http: 403, exit: 4, says: 'The request is not allowed.' },
  ENGINE_UNAVAILABLE: {
    audience: 'operator',
    retryable: true,
    http: 503,
    exit: 12,
    says: 'The engine cannot be reached.',
  },
  ENGINE_DRAINING: {
    audience: 'operator',
    retryable: true,
    http: 503,
    exit: 12,
    says: 'The engine is stopping and takes no new work.',
  },
  OUTCOME_UNKNOWN: {
    audience: 'model',
    retryable: false,
    http: 502,
    exit: 12,
    says: 'The engine was lost; the call may have been executed.',
  },
  INDEX_UNAVAILABLE: {
    audience: 'operator',
    retryable: true,
    http: 503,
    exit: 13,
    says: 'The remote index did not answer as it should.',
  },
  UNSUPPORTED: {
    audience: 'model',
    retryable: false,
    http: 501,
    exit: 14,
    says: 'This is not supported here.',
  },
  AUDIT_BROKEN: {
    audience: 'operator',
    retryable: false,
    http: 500,
    exit: 15,
    says: 'The audit log is not as it was written.',
  },
  INTERNAL: {
    audience: 'operator',
    retryable: false,
    http: 500,
    exit: 1,
    says: 'An error of mcp-runtime itself.',
  },
} as const satisfies Record<string, ErrorFacts>;

export interface ErrorFacts {
  readonly audience: 'model' | 'user' | 'operator';
  readonly retryable: boolean;
  readonly http: number;
  readonly exit: number;
  readonly says: string;
}
