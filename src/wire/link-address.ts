import { RuntimeError } from '../core/errors.js';
import { type ClientKey, curveClient } from './curve.js';
import type { LinkClient } from './link.js';
import { connectSocket } from './socket-link.js';
import { connectZeromq } from './zeromq-client.js';
import { loadZeromq } from './zeromq-module.js';

export interface LinkToOptions {
  /** For tcp: the key that `engine keygen` made for this side. */
  readonly key?: ClientKey | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * The way to an address: `unix:<path or pipe>`, `ipc://<path>` or `tcp://<host>:<port>`.
 * @throws RuntimeError CONFIG_INVALID for any other, and for tcp without a key.
 */
export function linkTo(address: string, options: LinkToOptions = {}): LinkClient {
  const { key, timeoutMs } = options;
  if (address.startsWith('unix:'))
    return (listener) => connectSocket(address.slice('unix:'.length), listener);
  if (!/^(ipc|tcp):\/\/./.test(address))
    throw new RuntimeError('CONFIG_INVALID', `${address} is no address of an engine.`, {
      hint: 'Use tcp://<host>:<port>, ipc://<path> or unix:<path>.',
    });
  if (address.startsWith('tcp:') && key === undefined)
    throw new RuntimeError('CONFIG_INVALID', `An engine at ${address} is joined with a key alone.`, {
      hint: 'Make one with mcp-runtime engine keygen and give it with --engine-key.',
    });
  return async (listener) => {
    const zeromq = await loadZeromq();
    if (zeromq === undefined)
      throw new RuntimeError('ENGINE_UNAVAILABLE', `${address} needs zeromq, which cannot be loaded here.`, {
        hint: 'Install the optional dependency zeromq, or set ENGINE_LINK=socket.',
      });
    return connectZeromq(zeromq, address, listener, {
      timeoutMs,
      curve: key === undefined ? undefined : curveClient(key),
    });
  };
}
