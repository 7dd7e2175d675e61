export type Params = Readonly<Record<string, unknown>>;

/** How a client is spoken to. */
export interface WayBack {
  /**
   * Asks it; an aborted signal takes the question back.
   * Rejects with `{code, message, data?}` when the client answers with an error, and when it leaves.
   */
  ask(method: string, params: Params | undefined, signal: AbortSignal): Promise<unknown>;
  /** Does not wait, and never throws: a client that left is found out about by who waits for it. */
  tell(method: string, params?: Params): void;
}

/** A person may think for a while, ms; the call's own end takes the question back. */
export const ANSWER_MS = 3_600_000;
