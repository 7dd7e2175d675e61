import { describe, expect, it } from 'vitest';
import { createPort } from '../../test/fixtures/wire-port.mjs';
import { RuntimeError } from '../core/errors.js';
import { Payload } from '../core/payload.js';
import { connectRuntime } from './client.js';
import { curveServer, generateKeys, parseClientKey, printClientKey, requireKeys } from './curve.js';
import { linkTo } from './link-address.js';
import { serveRuntime } from './server.js';
import { loadZeromq } from './zeromq-module.js';
import { listenZeromq } from './zeromq-server.js';

const zeromq = await loadZeromq();
if (zeromq === undefined) throw new Error('zeromq is an optional dependency, but this suite needs it');

describe('an engine on tcp', () => {
  it('lets in who has its key, and nobody else', async () => {
    const keys = generateKeys(zeromq);
    const strangers = generateKeys(zeromq);
    const guard = await curveServer(zeromq, keys.server);
    const server = await serveRuntime({
      port: createPort({ Payload, RuntimeError }),
      listen: [(accept) => listenZeromq(zeromq, 'tcp://127.0.0.1:*', accept, { curve: guard.curve })],
      version: '1.0.0',
      pid: 1,
    });
    const address = server.links[0]?.address as string;
    const join = (key: typeof keys.client) =>
      connectRuntime({
        link: linkTo(address, { key, timeoutMs: 1_500 }),
        version: '1.0.0',
        timeoutMs: 1_500,
      });
    try {
      const runtime = await join(parseClientKey(printClientKey(keys.client)));
      const context = { caller: { principal: 'local', clientId: 'a' }, signal: new AbortController().signal };
      expect(await runtime.list_servers({ limit: 1, offset: 0 }, context)).toMatchObject({ total: 1 });
      await runtime.close();
      // The engine's public key is no secret: a pair of one's own does not do.
      const guessed = { ...strangers.client, serverKey: keys.client.serverKey };
      await expect(join(guessed)).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
      await expect(join({ ...keys.client, serverKey: strangers.client.serverKey })).rejects.toMatchObject({
        code: 'ENGINE_UNAVAILABLE',
      });
      expect(server.clients()).toEqual([]);
    } finally {
      await server.close();
      guard.close();
    }
  });

  it('is neither offered nor joined without keys', () => {
    expect(() => requireKeys('tcp://0.0.0.0:7000', undefined)).toThrow('without keys');
    expect(() => requireKeys('ipc:///x', undefined)).not.toThrow();
    expect(() => linkTo('tcp://example.org:7000')).toThrow('with a key');
    expect(() => linkTo('http://example.org')).toThrow('no address of an engine');
  });

  it('takes no key that keygen did not make, and does not repeat it', () => {
    const { client } = generateKeys(zeromq);
    expect(printClientKey(client)).toMatch(/^mcpr1_[\w-]{160}$/);
    expect(parseClientKey(` ${printClientKey(client)}\n`)).toEqual(client);
    for (const wrong of ['', 'secret-word', printClientKey(client).slice(0, -9), `mcpr1_${'A'.repeat(160)}`])
      expect(() => parseClientKey(wrong)).toThrow(/^The engine key is not one that engine keygen made\.$/);
  });
});
