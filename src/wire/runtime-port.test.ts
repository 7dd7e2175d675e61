import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { runtimePortContract } from '../../test/contract/runtime-port.js';
import { createPort } from '../../test/fixtures/wire-port.mjs';
import { RuntimeError } from '../core/errors.js';
import { Payload } from '../core/payload.js';
import { connectRuntime } from './client.js';
import type { Accept, LinkServer } from './link.js';
import { serveRuntime } from './server.js';
import { connectSocket, listenSocket } from './socket-link.js';
import { connectZeromq } from './zeromq-client.js';
import { loadZeromq } from './zeromq-module.js';
import { listenZeromq } from './zeromq-server.js';

const home = mkdtempSync(join(tmpdir(), 'wire-port-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const zeromq = await loadZeromq();
if (zeromq === undefined) throw new Error('zeromq is an optional dependency, but this suite needs it');

const overLink = (
  name: string,
  listen: (accept: Accept) => Promise<LinkServer>,
  link: Parameters<typeof connectRuntime>[0]['link'],
) =>
  runtimePortContract({
    name,
    open: async () => {
      const server = await serveRuntime({
        port: createPort({ Payload, RuntimeError }),
        listen: [listen],
        version: '1.0.0',
        pid: 1,
      });
      const port = await connectRuntime({ link, version: '1.0.0' });
      return {
        port,
        close: async () => {
          await port.close();
          await server.close();
        },
      };
    },
  });

runtimePortContract({
  name: 'a port in this process',
  open: async () => ({ port: createPort({ Payload, RuntimeError }), close: async () => {} }),
});
overLink(
  'the wire over a socket',
  (accept) => listenSocket(join(home, 's'), accept),
  (listener) => connectSocket(join(home, 's'), listener),
);
overLink(
  'the wire over ZeroMQ',
  (accept) => listenZeromq(zeromq, `ipc://${join(home, 'z')}`, accept),
  (listener) => connectZeromq(zeromq, `ipc://${join(home, 'z')}`, listener),
);
