import { randomUUID } from 'node:crypto';
import { chmod, unlink } from 'node:fs/promises';
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { RuntimeError } from '../core/errors.js';
import type { Accept, LinkConnection, LinkEnd, LinkListener, LinkServer, Message } from './link.js';
import { LINK_LIMITS, type LinkLimits } from './link-limits.js';
import { pack, Unframer } from './socket-frames.js';
import { TickBatch } from './tick-batch.js';

/** How long a closing end waits for the other to take what was sent. */
const FLUSH_MS = 1_000;

/** Read at once where no long part is under way; a long part is read right into its place. */
const SCRATCH_BYTES = 32 * 1024;

/** A Windows pipe is named, not placed: `\\.\pipe\...`. */
const isPipe = (path: string) => path.startsWith('\\\\');

class SocketConnection implements LinkConnection {
  readonly id = randomUUID();
  readonly #socket: Socket;
  readonly #limits: LinkLimits;
  readonly #unframer: Unframer;
  #deliver: (parts: Uint8Array[]) => void = () => {};
  #end: LinkEnd | undefined;
  #closing = false;
  readonly #batch = new TickBatch((messages) => this.#write(messages));

  constructor(socket: Socket, limits: LinkLimits) {
    this.#socket = socket;
    this.#limits = limits;
    this.#unframer = new Unframer(limits.maxPartBytes);
  }

  start(listener: LinkListener): void {
    const socket = this.#socket;
    this.#deliver = (parts) => {
      if (!this.#closing) listener.message(parts);
    };
    socket.setNoDelay?.(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => {
      this.#end ??= { reason: 'lost', message: `The connection broke: ${error.message}.` };
    });
    socket.on('close', () =>
      listener.gone(
        this.#end ??
          (this.#closing
            ? { reason: 'closed', message: 'The connection was closed.' }
            : { reason: 'lost', message: 'The peer ended the connection.' }),
      ),
    );
  }

  /** Where the next bytes go that a socket reads which was made with `readInto`. */
  get room(): Buffer | undefined {
    const { room } = this.#unframer;
    return room !== undefined && room.length >= SCRATCH_BYTES ? room : undefined;
  }

  /** So many bytes were read, into `room` or else into `scratch`. */
  wasRead(bytes: number, into: Uint8Array, scratch: Uint8Array): void {
    if (into === scratch) this.#take(Buffer.from(scratch.subarray(0, bytes)));
    else if (!this.#closing) this.#unframer.wrote(bytes, this.#deliver);
  }

  #take(chunk: Buffer): void {
    if (this.#closing) return;
    const problem = this.#unframer.push(chunk, this.#deliver);
    if (problem !== undefined)
      this.#giveUp({ reason: 'garbage', message: `The peer was refused: ${problem}.` });
  }

  send(message: Message, isAlone = false): void {
    const socket = this.#socket;
    if (this.#closing || this.#end !== undefined || socket.destroyed) return;
    this.#batch.add(message, isAlone);
    if (socket.writableLength > this.#limits.maxUnsentBytes)
      this.#giveUp({
        reason: 'slow',
        message: `The peer left ${socket.writableLength} bytes unread and was given up.`,
      });
  }

  #write(messages: readonly Message[]): void {
    if (this.#socket.destroyed) return;
    const buffers = pack(messages);
    const [only] = buffers;
    if (buffers.length === 1 && only !== undefined) {
      this.#socket.write(only);
      return;
    }
    this.#socket.cork();
    for (const buffer of buffers) this.#socket.write(buffer);
    this.#socket.uncork();
  }

  close(): void {
    if (this.#closing) return;
    this.#batch.flush();
    this.#closing = true;
    this.#socket.end();
    // A peer that never reads must not keep this end open.
    const timer = setTimeout(() => this.#socket.destroy(), FLUSH_MS);
    timer.unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #giveUp(end: LinkEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#socket.destroy();
  }
}

/**
 * Listens on a unix socket (a named pipe on Windows). The caller holds the lock of the place: a file left behind
 * by a dead server is removed, and so would be that of a living one.
 */
export async function listenSocket(
  path: string,
  accept: Accept,
  limits: LinkLimits = LINK_LIMITS,
): Promise<LinkServer> {
  const open = new Set<SocketConnection>();
  const server = createServer((socket) => {
    if (open.size >= limits.maxConnections) return void socket.destroy();
    const connection = new SocketConnection(socket, limits);
    open.add(connection);
    socket.once('close', () => open.delete(connection));
    connection.start(accept(connection));
  });
  if (!isPipe(path)) await unlink(path).catch(() => {});
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  }).catch((error: unknown) => {
    throw new RuntimeError('HOME_UNUSABLE', `The engine cannot listen on ${path}: ${String(error)}.`, {
      cause: error,
    });
  });
  if (!isPipe(path)) await chmod(path, 0o600);
  let closed: Promise<void> | undefined;
  return {
    kind: 'socket',
    address: `unix:${path}`,
    get connections() {
      return open.size;
    },
    close: () => {
      closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        for (const connection of open) connection.close();
      });
      return closed;
    },
  };
}

/** @throws RuntimeError ENGINE_UNAVAILABLE when nobody listens there. */
export function connectSocket(
  path: string,
  listener: LinkListener,
  limits: LinkLimits = LINK_LIMITS,
): Promise<LinkConnection> {
  return new Promise((resolve, reject) => {
    let connection: SocketConnection | undefined;
    const socket = connect(readInto(path, () => connection));
    const failed = (error: Error) =>
      reject(
        new RuntimeError('ENGINE_UNAVAILABLE', `No engine answers at ${path}: ${error.message}.`, {
          cause: error,
        }),
      );
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      connection = new SocketConnection(socket, limits);
      connection.start(listener);
      resolve(connection);
    });
  });
}

/**
 * How to connect so that what is read is not a new buffer each time: long results come in so many of them that the
 * collector took a third of a front-end's time. What a server accepts cannot be told this, and gets short requests.
 */
function readInto(path: string, connection: () => SocketConnection | undefined): NetConnectOpts {
  const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  return {
    path,
    onread: {
      buffer: () => connection()?.room ?? scratch,
      callback: (bytes, into) => {
        connection()?.wasRead(bytes, into, scratch);
        return true;
      },
    },
  };
}
