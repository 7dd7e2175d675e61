import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isPrivate } from '../oauth/safe-fetch.js';

/** The code of the error when a public name suddenly stands for an address of our own network. */
export const REBOUND = 'EREBOUND';

/**
 * A lookup that holds a name to what it was: one that stood for public addresses is refused when it stands for a private
 * one, since whoever owns such a name could otherwise have us send requests to what only we can reach (DNS rebinding).
 * A name that was private from the beginning is somebody's own server. Behind https the certificate proves the name.
 */
export function steadyLookup(resolve: LookupFunction = systemLookup): LookupFunction {
  const wasPublic = new Set<string>();
  return (hostname, options, callback) => {
    resolve(hostname, options, (error, address, family) => {
      if (error) return callback(error, address, family);
      const addresses = Array.isArray(address) ? address.map((one) => one.address) : [address];
      if (!addresses.some(isPrivate)) wasPublic.add(hostname);
      else if (wasPublic.has(hostname)) {
        const rebound = new Error(`${hostname} was public and is now at a private address`);
        return callback(Object.assign(rebound, { code: REBOUND }), '', 0);
      }
      callback(null, address, family);
    });
  };
}
