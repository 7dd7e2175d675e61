import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { jsonObject } from '../../lib/json-object.js';

/** A public key of an issuer, as RFC 7517 writes it. */
export type PublicJwk = JsonWebKey & { readonly kid?: string; readonly alg?: string; readonly use?: string };

export interface Claims {
  readonly iss?: unknown;
  readonly sub?: unknown;
  readonly aud?: unknown;
  readonly exp?: unknown;
  readonly nbf?: unknown;
  readonly scope?: unknown;
  readonly client_id?: unknown;
  readonly [claim: string]: unknown;
}

interface Algorithm {
  readonly hash: string | null;
  readonly fits: (jwk: PublicJwk) => boolean;
  readonly options: object;
}

/** What is not in this list is refused: `none`, and every algorithm whose key both sides know. */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  RS256: { hash: 'sha256', fits: ({ kty, n }) => kty === 'RSA' && bitsOf(n) >= 2048, options: {} },
  ES256: {
    hash: 'sha256',
    fits: ({ kty, crv }) => kty === 'EC' && crv === 'P-256',
    options: { dsaEncoding: 'ieee-p1363' },
  },
  EdDSA: { hash: null, fits: ({ kty, crv }) => kty === 'OKP' && crv === 'Ed25519', options: {} },
};

const MAX_CHARS = 16_384;

export interface Unverified {
  readonly kid: string | undefined;
  readonly alg: string;
  /** Checks the signature with a key. */
  verifiedBy(jwk: PublicJwk): boolean;
  /** To be believed only after `verifiedBy`. */
  readonly claims: Claims;
}

/** Takes a signed token apart (RFC 7515, compact form). Undefined when it is none, or not one that may be accepted. */
export function parseToken(token: string): Unverified | undefined {
  const parts = token.split('.');
  if (parts.length !== 3 || token.length > MAX_CHARS) return undefined;
  const [header, claims] = [objectIn(parts[0]), objectIn(parts[1])];
  if (!header || !claims) return undefined;
  const { alg, kid, typ, crit } = header;
  // Own names alone: "constructor" is no algorithm.
  if (typeof alg !== 'string' || !Object.hasOwn(ALGORITHMS, alg)) return undefined;
  // An extension that must be understood, and a token that was made for something else.
  if (crit !== undefined) return undefined;
  if (typ !== undefined && !/^(?:application\/)?(?:at\+)?jwt$/i.test(String(typ))) return undefined;
  const algorithm = ALGORITHMS[alg] as Algorithm;
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`, 'ascii');
  const signature = bytesIn(parts[2]);
  if (!signature) return undefined;
  return {
    alg,
    kid: typeof kid === 'string' ? kid : undefined,
    claims,
    verifiedBy: (jwk) => {
      if (!algorithm.fits(jwk) || (jwk.alg !== undefined && jwk.alg !== alg)) return false;
      if (jwk.use !== undefined && jwk.use !== 'sig') return false;
      try {
        return verify(algorithm.hash, signed, { key: publicKey(jwk), ...algorithm.options }, signature);
      } catch {
        return false;
      }
    },
  };
}

/** The public part alone, whatever else stands in the key. */
function publicKey({ kty, n, e, crv, x, y }: PublicJwk): KeyObject {
  const given = Object.entries({ kty, n, e, crv, x, y }).filter(([, value]) => value !== undefined);
  return createPublicKey({ key: Object.fromEntries(given) as JsonWebKey, format: 'jwk' });
}

function objectIn(part: string | undefined): Record<string, unknown> | undefined {
  const bytes = bytesIn(part);
  return bytes && jsonObject(bytes.toString('utf8'));
}

/** Node's decoder skips what it does not know: what does not encode back is refused. */
function bytesIn(part: string | undefined): Buffer | undefined {
  const bytes = Buffer.from(part ?? '', 'base64url');
  return part && bytes.toString('base64url') === part ? bytes : undefined;
}

const bitsOf = (n: string | undefined): number => Buffer.from(n ?? '', 'base64url').length * 8;
