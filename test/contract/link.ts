import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type {
  Accept,
  LinkConnection,
  LinkEnd,
  LinkKind,
  LinkListener,
  LinkServer,
} from '../../src/wire/link.js';
import type { LinkLimits } from '../../src/wire/link-limits.js';
import { eventually } from '../support/processes.js';

/** What the suite needs of an implementation. */
export interface LinkUnderTest {
  readonly kind: LinkKind;
  listen(accept: Accept, limits?: LinkLimits): Promise<LinkServer>;
  /** A second server in the place of one that is closed. */
  connect(server: LinkServer, listener: LinkListener): Promise<LinkConnection>;
  /** Sends bytes that are not of this link to its address; resolves when they are out. */
  spew(server: LinkServer, bytes: Uint8Array): Promise<void>;
}

interface Ear extends LinkListener {
  readonly heard: Uint8Array[][];
  readonly ends: LinkEnd[];
}

function ear(onMessage: (parts: Uint8Array[]) => void = () => {}): Ear {
  const heard: Uint8Array[][] = [];
  const ends: LinkEnd[] = [];
  return {
    heard,
    ends,
    message: (parts) => {
      heard.push(parts);
      onMessage(parts);
    },
    gone: (end) => ends.push(end),
  };
}

const text = (parts: Uint8Array[] | undefined) => (parts ?? []).map((part) => Buffer.from(part).toString());
const openFiles = () => readdirSync('/proc/self/fd').length;

/** What every link owes to the protocol above it. */
export function linkContract(link: LinkUnderTest): void {
  const servers: LinkServer[] = [];
  const connections: LinkConnection[] = [];

  afterEach(async () => {
    for (const connection of connections.splice(0)) connection.close();
    for (const server of servers.splice(0)) await server.close();
  });

  /** A server that sends every message back, and what it heard of its peers. */
  async function echoServer(limits?: LinkLimits) {
    const peers: { connection: LinkConnection; ear: Ear }[] = [];
    const server = await link.listen((connection) => {
      const peer = { connection, ear: ear((parts) => connection.send(parts)) };
      peers.push(peer);
      return peer.ear;
    }, limits);
    servers.push(server);
    return { server, peers };
  }

  async function client(server: LinkServer) {
    const listener = ear();
    const connection = await link.connect(server, listener);
    connections.push(connection);
    return { connection, ...listener };
  }

  describe(`the ${link.kind} link`, () => {
    it('delivers messages whole and in order, both ways', async () => {
      const { server } = await echoServer();
      const one = await client(server);
      for (let n = 0; n < 2_000; n += 1)
        one.connection.send([Buffer.from(`n${n}`), Buffer.from('x'.repeat(n % 300))]);
      await eventually(() => one.heard.length === 2_000);
      expect(one.heard.map((parts) => text(parts)[0])).toEqual(
        Array.from({ length: 2_000 }, (_, n) => `n${n}`),
      );
      expect(one.heard.every((parts, n) => parts[1]?.byteLength === n % 300)).toBe(true);
      expect(one.ends).toEqual([]);
    });

    it('keeps many clients apart', async () => {
      const { server } = await echoServer();
      const clients = await Promise.all(Array.from({ length: 20 }, () => client(server)));
      for (let n = 0; n < 100; n += 1)
        for (const [who, one] of clients.entries()) one.connection.send([Buffer.from(`${who}:${n}`)]);
      for (const [who, one] of clients.entries()) {
        await eventually(() => one.heard.length === 100);
        expect(one.heard.map((parts) => text(parts)[0])).toEqual(
          Array.from({ length: 100 }, (_, n) => `${who}:${n}`),
        );
      }
    });

    it('delivers parts of a megabyte byte by byte', async () => {
      const { server } = await echoServer();
      const one = await client(server);
      const sent = Array.from({ length: 12 }, (_, n) => randomBytes(1024 * 1024 + n));
      for (const bytes of sent)
        one.connection.send([Buffer.from('head'), bytes, Buffer.alloc(0), bytes.subarray(0, 7)]);
      await eventually(() => one.heard.length === sent.length, 10_000);
      for (const [n, bytes] of sent.entries()) {
        expect(Buffer.compare(one.heard[n]?.[1] ?? Buffer.alloc(0), bytes)).toBe(0);
        expect(one.heard[n]?.map((part) => part.byteLength)).toEqual([4, bytes.length, 0, 7]);
      }
    });

    it('tells the server when a client left, and delivers what it sent before', async () => {
      const { server, peers } = await echoServer();
      const one = await client(server);
      for (let n = 0; n < 500; n += 1) one.connection.send([Buffer.from(`${n}`)]);
      one.connection.close();
      await eventually(() => peers[0]?.ear.ends.length === 1);
      expect(peers[0]?.ear.heard.length).toBe(500);
      expect(one.ends).toEqual([expect.objectContaining({ reason: 'closed' })]);
      await eventually(() => server.connections === 0);
    });

    it('tells the client when the server left, after everything it had sent', async () => {
      const server = await link.listen((connection) =>
        ear(() => {
          for (let n = 0; n < 500; n += 1) connection.send([Buffer.from(`${n}`)]);
          void server.close();
        }),
      );
      servers.push(server);
      const one = await client(server);
      one.connection.send([Buffer.from('go')]);
      await eventually(() => one.ends.length === 1);
      expect(one.heard.length).toBe(500);
      expect(one.ends[0]?.reason).toBe('lost');
    });

    it('lets the server end one connection and leaves the others', async () => {
      const { server, peers } = await echoServer();
      const one = await client(server);
      one.connection.send([Buffer.from('one')]);
      await eventually(() => one.heard.length === 1);
      const two = await client(server);
      two.connection.send([Buffer.from('two')]);
      await eventually(() => two.heard.length === 1);
      peers[0]?.connection.send([Buffer.from('last words')]);
      peers[0]?.connection.close();
      await eventually(() => one.ends.length === 1);
      expect(text(one.heard.at(-1))).toEqual(['last words']);
      two.connection.send([Buffer.from('still')]);
      await eventually(() => two.heard.length === 2);
      expect(server.connections).toBe(1);
    });

    it('turns away more peers than it may have', async () => {
      const { server } = await echoServer({
        maxPartBytes: 1024,
        maxUnsentBytes: 1024 * 1024,
        maxConnections: 2,
      });
      const welcome = [await client(server), await client(server)];
      for (const one of welcome) one.connection.send([Buffer.from('hello')]);
      for (const one of welcome) await eventually(() => one.heard.length === 1);
      const third = await client(server);
      third.connection.send([Buffer.from('hello')]);
      await eventually(() => third.ends.length === 1);
      expect(third.heard).toEqual([]);
      expect(server.connections).toBe(2);
    });

    it('ends a connection that sends a part longer than allowed', async () => {
      const { server, peers } = await echoServer({
        maxPartBytes: 1024,
        maxUnsentBytes: 1024 * 1024,
        maxConnections: 9,
      });
      const one = await client(server);
      const good = await client(server);
      one.connection.send([Buffer.from('fits')]);
      await eventually(() => one.heard.length === 1);
      one.connection.send([Buffer.alloc(5_000)]);
      await eventually(() => one.ends.length === 1);
      expect(peers[0]?.ear.heard.length).toBe(1);
      good.connection.send([Buffer.from('ok')]);
      await eventually(() => good.heard.length === 1);
    });

    it('survives bytes that are not of this link', async () => {
      const { server } = await echoServer();
      await link.spew(server, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
      for (let n = 0; n < 20; n += 1) await link.spew(server, randomBytes(1 + n * 97));
      await link.spew(server, Buffer.from([0xa4, 0xff, 0xff, 0xff, 0xff]));
      const one = await client(server);
      one.connection.send([Buffer.from('ok')]);
      await eventually(() => one.heard.length === 1);
      await eventually(() => server.connections === 1);
    });

    it('refuses to connect where nobody listens', async () => {
      const { server } = await echoServer();
      await server.close();
      await expect(link.connect(server, ear())).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    });

    it('is found by nobody from the moment it closes', async () => {
      const { server } = await echoServer();
      const one = await client(server);
      const path = server.address.replace(/^(ipc:\/\/|unix:)/, '');
      expect(existsSync(path)).toBe(true);
      const closed = server.close();
      expect(existsSync(path)).toBe(false);
      await closed;
      await eventually(() => one.ends.length === 1);
      expect(existsSync(path)).toBe(false);
    });

    it('lets clients come back to a new server in the same place', async () => {
      const { server } = await echoServer();
      const one = await client(server);
      await server.close();
      await eventually(() => one.ends.length === 1);
      const next = await echoServer();
      expect(next.server.address).toBe(server.address);
      const two = await client(next.server);
      two.connection.send([Buffer.from('again')]);
      await eventually(() => two.heard.length === 1);
      expect(one.heard).toEqual([]);
    });

    it('keeps no descriptor over 300 connections', async () => {
      const { server } = await echoServer();
      const round = async () => {
        const one = await client(server);
        one.connection.send([Buffer.from('x')]);
        await eventually(() => one.heard.length === 1);
        one.connection.close();
        await eventually(() => server.connections === 0);
      };
      for (let n = 0; n < 10; n += 1) await round();
      const before = openFiles();
      for (let n = 0; n < 300; n += 1) await round();
      await eventually(() => openFiles() <= before + 3);
    }, 60_000);
  });
}
