import { RuntimeError } from '../../core/errors.js';
import type { ServerIdentity } from '../../core/server.js';
import type { RequestOptions } from '../../core/upstream.js';
import type { MessageChannel } from '../channel.js';
import { type HandshakeOptions, identityOf, recordOf } from '../handshake.js';
import type { Peer } from '../peer.js';
import { envelope, SERVER_INFO, STATELESS_VERSION } from './envelope.js';
import { standardHeaders } from './headers.js';

const UNSUPPORTED_VERSION = -32022;

/**
 * `server/discover`: what a server of 2026-07-28 says of itself.
 * @throws RuntimeError when it does not speak that revision.
 */
export async function discover(
  peer: Peer,
  channel: MessageChannel,
  { server, clientInfo }: HandshakeOptions,
  options: RequestOptions,
): Promise<ServerIdentity> {
  channel.useVersion(STATELESS_VERSION);
  const ask = () =>
    peer.request('server/discover', { _meta: envelope(clientInfo, undefined) }, options, {
      headers: standardHeaders('server/discover', undefined),
    });
  const payload = await ask().catch((error: unknown) => {
    // A server may refuse the revision and name it as supported in the same breath: then it is asked once more.
    if (!(error instanceof RuntimeError) || !offers(error)) throw error;
    return ask();
  });
  const answer = recordOf(payload.value);
  const versions = answer['supportedVersions'];
  if (!Array.isArray(versions) || !versions.includes(STATELESS_VERSION)) {
    throw new RuntimeError(
      'UPSTREAM_PROTOCOL',
      `The server "${server}" does not speak ${STATELESS_VERSION}.`,
      {
        data: { server },
      },
    );
  }
  const serverInfo = recordOf(answer['_meta'])[SERVER_INFO] ?? answer['serverInfo'];
  return identityOf(server, { ...answer, serverInfo }, STATELESS_VERSION);
}

/** Whether an error names the stateless revision as one that the server speaks. */
export function offers(error: RuntimeError): boolean {
  const supported = recordOf(error.data?.['data'])['supported'];
  return (
    error.data?.['code'] === UNSUPPORTED_VERSION &&
    Array.isArray(supported) &&
    supported.includes(STATELESS_VERSION)
  );
}
