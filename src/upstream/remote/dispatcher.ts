import type { LookupFunction } from 'node:net';

/** What Node's fetch sends requests through; of undici's interface only what is used here. */
export interface Dispatcher {
  destroy(): Promise<void>;
}

/**
 * A connection pool of one session's own: without the 300 s after which Node's fetch gives up on a silent server
 * (our requests have deadlines of their own, and an event stream may be silent for hours), and to be closed with the
 * session. Node does not export undici, so its pool is found through the one that fetch uses; undefined where that is
 * not possible, and the global pool serves.
 * @param lookup finds the addresses of names, instead of the system's.
 */
export async function ownDispatcher(lookup?: LookupFunction): Promise<Dispatcher | undefined> {
  // Node loads its fetch, and with it the pool, on first use.
  await fetch('data:,').catch(() => {});
  const shared: unknown = Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.1'));
  if (typeof shared !== 'object' || shared === null || shared.constructor.name !== 'Agent') return undefined;
  const Agent = shared.constructor as new (options: object) => Dispatcher;
  return new Agent({ headersTimeout: 0, bodyTimeout: 0, ...(lookup ? { connect: { lookup } } : {}) });
}
