import { join } from 'node:path';
import type { Settings } from '../config/settings.js';
import { TokenFile } from '../http/access/token-file.js';
import type { HttpFaceOptions } from '../http/face.js';
import { sameSecret } from '../http/guard.js';
import { bracketed } from '../http/listen.js';
import type { Logger } from '../lib/log.js';

/** The tokens of a home. */
export const openTokens = (settings: Settings): TokenFile =>
  new TokenFile(join(settings.home, 'http-tokens.json'));

/** Who may ask over HTTP, as the settings and the tokens of the home say. */
export async function httpAccess(
  settings: Settings,
  address: { readonly host: string; readonly port: number },
  logger: Logger,
): Promise<Pick<HttpFaceOptions, 'verifyToken' | 'requireToken' | 'resource' | 'resourceMetadata'>> {
  const { token: own, oauth } = settings.http;
  const tokens = openTokens(settings);
  const issuer = oauth && {
    ...oauth,
    resource: oauth.resource ?? `http://${bracketed(address.host)}:${address.port}/mcp`,
  };
  const server =
    issuer && new (await import('../http/access/resource-server.js')).ResourceServer(issuer, logger);
  return {
    verifyToken: async (token) => {
      if (own !== undefined && sameSecret(token, own)) return { principal: 'token' };
      // Ours have no dot in them.
      return server && token.includes('.') ? server.verify(token) : tokens.verify(token);
    },
    requireToken: async () => own !== undefined || server !== undefined || tokens.exists(),
    ...(server ? { resource: { metadata: server.metadata }, resourceMetadata: server.metadataUrl } : {}),
  };
}
