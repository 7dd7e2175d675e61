import type { ClientLink } from './client-link.js';
import type { Restriction } from './policy.js';
import type { Progress } from './upstream.js';

/** Who asks. Tasks and content belong to the principal, what belongs to a connection to the client id. */
export interface Caller {
  /** Locally the OS user (`local`), over HTTP the holder of a token. */
  readonly principal: string;
  /** One connection of one client; random. */
  readonly clientId: string;
  /** What the client calls itself, for people. */
  readonly clientName?: string | undefined;
  /** What it may reach; the engine holds it to that on every path. Undefined: everything. */
  readonly restriction?: Restriction | undefined;
}

/** What of a caller decides what it may see and use. */
export type Asker = Pick<Caller, 'principal' | 'clientName' | 'restriction'>;

/** What comes with every operation besides its input. */
export interface OperationContext {
  readonly caller: Caller;
  /** Aborted when the caller no longer waits. */
  readonly signal: AbortSignal;
  readonly progress?: ((progress: Progress) => void) | undefined;
  /** `_meta` of the request as the client sent it. */
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  /** The way back to the client while it waits; absent where there is none (a command, a task). */
  readonly client?: ClientLink | undefined;
}

/** The same context with another signal. Field by field: a spread costs fifteen times as much, with every call. */
export const withSignal = (
  { caller, progress, meta, client }: OperationContext,
  signal: AbortSignal,
): Required<OperationContext> => ({ caller, signal, progress, meta, client });
