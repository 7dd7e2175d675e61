import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { ServerDefinition, ServerState, StdioDefinition } from '../../src/core/server.js';
import { Supervisor } from '../../src/engine/supervisor.js';
import { silentLogger } from '../../src/lib/log.js';
import { type OpenSessionOptions, openSession } from '../../src/upstream/open-session.js';
import { beginOracles } from './oracles.js';
import { fixture, type LoggedEvent, type Marker, pidsWith, readEvents, uniqueMarker } from './processes.js';
import { openOptions, stdioDefinition } from './upstream.js';

/** A supervisor over real processes. */
export interface Supervision {
  readonly folder: string;
  /** How many servers may run at once; to be changed before it counts. */
  maxRunning: number;
  readonly marker: Marker;
  readonly supervisor: Supervisor;
  readonly states: { server: string; state: ServerState }[];
  server(name: string, file?: string, args?: string[], more?: Partial<StdioDefinition>): StdioDefinition;
  events(name: string, ev?: string): LoggedEvent[];
  /** Processes of a server that ever logged anything. */
  starts(name: string): number;
  /** Of all living processes that were started here. */
  pids(): number[];
}

/** One per test; afterwards it is closed, nothing of it may be left, and what else the oracles say must hold. */
export function supervision(options: Partial<OpenSessionOptions> = {}): () => Supervision {
  const places = supervisions(1, options);
  return () => places()[0] as Supervision;
}

/** So many of them, for what runs side by side. */
export function supervisions(
  count: number,
  options: Partial<OpenSessionOptions> = {},
): () => readonly Supervision[] {
  let current: ReturnType<typeof create>[] = [];
  afterEach(async () => {
    await Promise.all(current.splice(0).map((used) => used.end()));
  });
  return () => {
    if (current.length === 0) current = Array.from({ length: count }, () => create(options));
    return current.map((used) => used.place);
  };
}

function create(options: Partial<OpenSessionOptions>): { place: Supervision; end: () => Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), 'mcprt-sup-'));
  const marker = uniqueMarker();
  const oracles = beginOracles(marker);
  const states: Supervision['states'] = [];
  const supervisor = new Supervisor({
    open: (definition, _tenant, signal) =>
      openSession(definition as ServerDefinition, openOptions(marker, { ...options, signal })),
    get maxRunning() {
      return place.maxRunning;
    },
    logger: silentLogger,
    onState: (server, state) => states.push({ server, state }),
    onReady: () => {},
  });
  // Whoever wants to know something of it hears it within a turn of the loop.
  oracles.health(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    supervisor.running();
  });
  const log = (name: string) => join(folder, `${name}.log`);
  const events: Supervision['events'] = (name, ev) =>
    readEvents(log(name)).filter((event) => ev === undefined || event.ev === ev);
  const place: Supervision = {
    folder,
    maxRunning: 50,
    marker,
    supervisor,
    states,
    server: (name, file = fixture('good-server.mjs'), args = [], more = {}) =>
      stdioDefinition(file, args, {
        name,
        restart: 'on-failure',
        ...more,
        env: { HOSTILE_LOG: log(name), ...more.env },
      }),
    events,
    starts: (name) => new Set(events(name).map((event) => event.pid)).size,
    pids: () => pidsWith(marker),
  };
  return {
    place,
    end: async () => {
      const failure = await oracles.verifyAlive().catch((error: unknown) => error);
      await supervisor.close();
      await oracles.verifyGone();
      rmSync(folder, { recursive: true, force: true });
      if (failure) throw failure;
    },
  };
}
