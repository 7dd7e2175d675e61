import { type ClientLink, isWanted } from '../core/client-link.js';
import type { UpstreamSession } from '../core/upstream.js';

const SET_MS = 5_000;

/**
 * Which log level each server was asked for. A server has one for all its clients: the most talkative that any of them
 * wanted; each client is told only what it wanted itself.
 */
export class LogLevels {
  readonly #set = new WeakMap<UpstreamSession, string>();

  /**
   * Never rejects: a server that cannot be asked logs as it likes. Revisions without sessions carry it in each request.
   * @returns nothing to wait for where there is nothing to ask, as with almost every call.
   */
  apply(
    session: UpstreamSession,
    client: ClientLink | undefined,
    signal: AbortSignal,
  ): Promise<void> | undefined {
    const level = client?.logLevel;
    if (level === undefined || session.identity.capabilities['logging'] === undefined) return undefined;
    const before = this.#set.get(session);
    if (session.identity.protocolVersion >= '2026' || (before !== undefined && isWanted(level, before)))
      return undefined;
    return this.#ask(session, level, signal);
  }

  async #ask(session: UpstreamSession, level: string, signal: AbortSignal): Promise<void> {
    this.#set.set(session, level);
    await session.request('logging/setLevel', { level }, { signal, timeoutMs: SET_MS }).catch(() => {});
  }
}
