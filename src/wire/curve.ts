import type { Router } from 'zeromq';
import { RuntimeError } from '../core/errors.js';
import type { CurveClientOptions } from './zeromq-client.js';
import type { Zeromq } from './zeromq-module.js';
import type { CurveServerOptions } from './zeromq-server.js';

/** What an engine on tcp keeps: its own pair, and the public keys of those who may come. Z85, 40 characters each. */
export interface ServerKey {
  readonly publicKey: string;
  readonly secretKey: string;
  readonly clients: readonly string[];
}

/** What a front-end needs: its own pair, and whom it talks to. */
export interface ClientKey {
  readonly serverKey: string;
  readonly publicKey: string;
  readonly secretKey: string;
}

const Z85 = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;
const MARK = 'mcpr1_';

/** A new pair for an engine and one for a front-end that may join it. */
export function generateKeys(zeromq: Zeromq): { server: ServerKey; client: ClientKey } {
  const server = zeromq.curveKeyPair();
  const client = zeromq.curveKeyPair();
  return {
    server: { ...server, clients: [client.publicKey] },
    client: { serverKey: server.publicKey, ...client },
  };
}

/** A front-end's key as one word that needs no quotes. It is a secret. */
export function printClientKey({ serverKey, publicKey, secretKey }: ClientKey): string {
  return MARK + Buffer.from(serverKey + publicKey + secretKey, 'latin1').toString('base64url');
}

/** @throws RuntimeError CONFIG_INVALID; the message never holds the key. */
export function parseClientKey(text: string): ClientKey {
  const given = text.trim();
  const all = given.startsWith(MARK)
    ? Buffer.from(given.slice(MARK.length), 'base64url').toString('latin1')
    : '';
  const key = { serverKey: all.slice(0, 40), publicKey: all.slice(40, 80), secretKey: all.slice(80) };
  if (![key.serverKey, key.publicKey, key.secretKey].every((part) => Z85.test(part)))
    throw new RuntimeError('CONFIG_INVALID', 'The engine key is not one that engine keygen made.', {
      hint: `It begins with ${MARK} and is one word.`,
    });
  return key;
}

export function curveClient(key: ClientKey): CurveClientOptions {
  return {
    curveServerKey: key.serverKey,
    curvePublicKey: key.publicKey,
    curveSecretKey: key.secretKey,
  };
}

/**
 * CURVE alone lets in everybody who knows the engine's public key. So a ZAP handler (RFC 27) on the socket's own
 * context asks whether the front-end's key is one of those that may come.
 */
export async function curveServer(
  zeromq: Zeromq,
  key: ServerKey,
): Promise<{ curve: CurveServerOptions; close(): void }> {
  const allowed = new Set(key.clients);
  const context = new zeromq.Context();
  const handler = new zeromq.Router({ context, linger: 0 });
  await handler.bind('inproc://zeromq.zap.01');
  void answer(handler, allowed);
  return {
    curve: { curveServer: true, curveSecretKey: key.secretKey, zapDomain: 'mcp-runtime', context },
    close: () => handler.close(),
  };
}

async function answer(handler: Router, allowed: ReadonlySet<string>): Promise<void> {
  while (!handler.closed) {
    try {
      // Peer, delimiter, then: version, request, domain, address, identity, mechanism, credentials.
      const [peer, empty, version, request, , , , mechanism, credentials] = await handler.receive();
      if (peer === undefined || empty === undefined || version === undefined || request === undefined)
        continue;
      const known = mechanism?.toString() === 'CURVE' && allowed.has(z85(credentials ?? Buffer.alloc(0)));
      const [code, text] = known ? ['200', 'OK'] : ['400', 'Unknown key'];
      await handler.send([peer, empty, version, request, code, text, '', '']);
    } catch {
      // Closing ends a receive; a peer that is gone before its answer is no one's loss.
    }
  }
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';

/** RFC 32: four bytes become five characters. */
function z85(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    let value = bytes.readUInt32BE(at);
    let five = '';
    for (let digit = 0; digit < 5; digit += 1) {
      five = ALPHABET.charAt(value % 85) + five;
      value = Math.floor(value / 85);
    }
    text += five;
  }
  return text;
}

/** @throws RuntimeError CONFIG_INVALID for an address off this machine without keys. */
export function requireKeys(endpoint: string, key: ServerKey | undefined): void {
  if (key !== undefined || !endpoint.startsWith('tcp:')) return;
  throw new RuntimeError('CONFIG_INVALID', `The engine does not listen on ${endpoint} without keys.`, {
    hint: 'Make them with mcp-runtime engine keygen.',
  });
}
