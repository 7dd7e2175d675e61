import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** An authorization server that only signs tokens and tells its keys: on loopback, counting who asks. */
export async function tokenIssuer() {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const keys: Record<string, { alg: string; publicKey: KeyObject; privateKey: KeyObject }> = {
    rsa: { alg: 'RS256', ...rsa },
    weak: { alg: 'RS256', ...weak },
    ec: { alg: 'ES256', ...ec },
    ed: { alg: 'EdDSA', ...ed },
  };
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const jwks = Object.entries(keys).map(([kid, { publicKey }]) => ({
      ...publicKey.export({ format: 'jwk' }),
      kid,
    }));
    const answers: Record<string, object> = {
      '/.well-known/oauth-authorization-server': { issuer, jwks_uri: `${issuer}/jwks` },
      '/jwks': { keys: jwks },
    };
    const answer = answers[request.url ?? ''];
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    asked,
    publicPem: rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    /** A token with these claims; what stands in `header` wins. */
    token: (claims: object, header: { kid?: string; alg?: string; [name: string]: unknown } = {}) => {
      const kid = header.kid ?? 'ec';
      const { alg, privateKey } = keys[kid] ?? { alg: 'ES256', privateKey: ec.privateKey };
      const signed = `${part({ alg, kid, typ: 'at+jwt', ...header })}.${part(claims)}`;
      const hash = alg === 'EdDSA' ? null : 'sha256';
      const key = alg === 'ES256' ? { key: privateKey, dsaEncoding: 'ieee-p1363' as const } : privateKey;
      return `${signed}.${sign(hash, Buffer.from(signed), key).toString('base64url')}`;
    },
    unsigned: (claims: object, header: object, signature = '') =>
      `${part(header)}.${part(claims)}.${signature}`,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
