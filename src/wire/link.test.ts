import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { linkContract } from '../../test/contract/link.js';
import type { LinkServer } from './link.js';
import { connectSocket, listenSocket } from './socket-link.js';
import { connectZeromq } from './zeromq-client.js';
import { loadZeromq } from './zeromq-module.js';
import { listenZeromq } from './zeromq-server.js';

const home = mkdtempSync(join(tmpdir(), 'wire-link-'));
const socketPath = join(home, 's');
const zeromqPath = join(home, 'z');
afterAll(() => rmSync(home, { recursive: true, force: true }));

const spewAt = (path: string) => (_server: LinkServer, bytes: Uint8Array) =>
  new Promise<void>((resolve) => {
    const socket = connect(path, () => socket.end(bytes));
    socket.on('error', () => {});
    socket.resume();
    socket.once('close', () => resolve());
    // ZMTP waits for the rest of a handshake that never comes.
    setTimeout(() => socket.destroy(), 50);
  });

linkContract({
  kind: 'socket',
  listen: (accept, limits) => listenSocket(socketPath, accept, limits),
  connect: (_server, listener) => connectSocket(socketPath, listener),
  spew: spewAt(socketPath),
});

const zeromq = await loadZeromq();
if (zeromq === undefined) throw new Error('zeromq is an optional dependency, but this suite needs it');
linkContract({
  kind: 'zeromq',
  listen: (accept, limits) =>
    listenZeromq(zeromq, `ipc://${zeromqPath}`, accept, limits === undefined ? {} : { limits }),
  connect: (_server, listener) =>
    connectZeromq(zeromq, `ipc://${zeromqPath}`, listener, { timeoutMs: 2_000 }),
  spew: spewAt(zeromqPath),
});
