import { RuntimeError } from '../core/errors.js';
import type { ServerIdentity } from '../core/server.js';
import type { RequestOptions } from '../core/upstream.js';
import type { MessageChannel } from './channel.js';
import { type HandshakeOptions, handshake, recordOf } from './handshake.js';
import type { Peer } from './peer.js';
import { discover, offers } from './stateless/discover.js';
import { STATELESS_VERSION } from './stateless/envelope.js';

/** What a server answers that does not know `initialize`, or wants what only later revisions say. */
const NOT_UNDERSTOOD = new Set([-32600, -32601, -32602, -32020, -32021, -32022]);

/**
 * Finds out how the server is to be spoken to. The revision that it spoke last comes first; without one, `initialize`
 * does, since it is what most servers know and since some end at a method that they do not know.
 * @param prior the revision that is remembered for this definition.
 */
export async function greet(
  peer: Peer,
  channel: MessageChannel,
  options: HandshakeOptions,
  request: RequestOptions,
  prior: string | undefined,
): Promise<ServerIdentity> {
  if (prior === STATELESS_VERSION) {
    const identity = await discover(peer, channel, options, request).catch((error: unknown) => {
      if (!peer.isOpen || !mayTryOther(error)) throw error;
      return undefined;
    });
    if (identity) return identity;
    return handshake(peer, channel, options, request);
  }
  try {
    return await handshake(peer, channel, options, request);
  } catch (error) {
    if (!peer.isOpen || !mayTryOther(error)) throw error;
    return await discover(peer, channel, options, request).catch(() => {
      // The first answer says more about a server that knows neither.
      throw error;
    });
  }
}

function mayTryOther(error: unknown): boolean {
  if (!(error instanceof RuntimeError)) return false;
  if (error.code === 'UPSTREAM_PROTOCOL') return true;
  const { code, data, status } = error.data ?? {};
  if (typeof status === 'number') return status >= 400 && status !== 401 && status !== 403;
  if (error.code !== 'UPSTREAM_ERROR' || typeof code !== 'number' || !NOT_UNDERSTOOD.has(code)) return false;
  return recordOf(data)['supported'] === undefined || offers(error);
}
