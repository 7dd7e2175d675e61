export interface RawResult {
  readonly content?: readonly { readonly text?: string }[];
  readonly isError?: boolean;
}

export interface RawClient {
  readonly pid: number | undefined;
  request(
    method: string,
    params?: unknown,
  ): Promise<{ message: { result?: unknown; error?: unknown }; bytes: number }>;
  /** `tools/call`; rejects for an error or a result that says it failed. */
  call(name: string, args?: Record<string, unknown>): Promise<{ result: RawResult; bytes: number }>;
  close(): Promise<unknown>;
}

export function startClient(
  command: string,
  args: string[],
  env?: Record<string, string>,
): Promise<RawClient>;
