import { errorTable } from './error-table.js';

export type ErrorCode = keyof typeof errorTable;

export interface RuntimeErrorOptions {
  /** What to do next, one sentence. */
  readonly hint?: string | undefined;
  /** Facts for programs; never a secret. Must be JSON. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** Overrides the table where this one case differs. */
  readonly retryable?: boolean | undefined;
  readonly cause?: unknown;
}

/** The form in which an error crosses a wire. */
export interface RuntimeErrorJson {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;
}

/** The only error class that leaves a floor. `message` says what happened and why; `hint` what to do next. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: RuntimeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.data = options.data;
    this.retryable = options.retryable ?? errorTable[code].retryable;
  }

  toJSON(): RuntimeErrorJson {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.data === undefined ? {} : { data: this.data }),
      retryable: this.retryable,
    };
  }

  static fromJSON(json: RuntimeErrorJson): RuntimeError {
    const code = json.code in errorTable ? json.code : 'INTERNAL';
    return new RuntimeError(code, json.message, {
      hint: json.hint,
      data: json.data,
      retryable: json.retryable,
    });
  }
}
