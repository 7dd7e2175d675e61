import { isMainThread } from 'node:worker_threads';
import type { Socket } from 'zeromq';

export type Zeromq = typeof import('zeromq');

let loaded: Promise<Zeromq | undefined> | undefined;

/**
 * ZeroMQ when it can be used here. It is an optional dependency with a native part, and ending a worker thread that
 * holds it aborts the process (zeromq/zeromq.js#411), so a worker gets none.
 */
export function loadZeromq(): Promise<Zeromq | undefined> {
  loaded ??= isMainThread ? import('zeromq').catch(() => undefined) : Promise.resolve(undefined);
  return loaded;
}

/** ZMQ_ROUTER_NOTIFY and its value ZMQ_NOTIFY_DISCONNECT. */
const ROUTER_NOTIFY = 97;
const NOTIFY_DISCONNECT = 2;

/**
 * Asks a ROUTER to say when a peer is gone, as a message of one empty part. The option is in libzmq 4.3 and not in
 * the typed face of zeromq.js; without it heartbeats alone notice a dead peer.
 */
export function notifyOfDisconnects(router: Socket): void {
  try {
    (router as unknown as { setInt32Option(option: number, value: number): void }).setInt32Option(
      ROUTER_NOTIFY,
      NOTIFY_DISCONNECT,
    );
  } catch {
    // A libzmq without drafts.
  }
}
