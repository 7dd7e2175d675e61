import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { RuntimeError } from '../../src/core/errors.js';
import type { RemoteDefinition, StdioDefinition } from '../../src/core/server.js';
import type { CallToolResult, RequestOptions, UpstreamSession } from '../../src/core/upstream.js';
import { silentLogger } from '../../src/lib/log.js';
import { type OpenSessionOptions, openSession } from '../../src/upstream/open-session.js';
import { beginOracles, type Oracles } from './oracles.js';
import {
  hostile,
  type LoggedEvent,
  type Marker,
  type RunningServer,
  readEvents,
  startHttpFixture,
  uniqueMarker,
} from './processes.js';

const defaults = {
  startTimeoutMs: 15_000,
  idleTimeoutMs: 0,
  maxConcurrency: 100,
  sharing: 'shared',
  restart: 'never',
  hints: [],
  blockedTools: [],
  disabled: false,
  overwrite: false,
  source: 'file',
} as const;

export function stdioDefinition(
  file: string,
  args: readonly string[] = [],
  more: Partial<StdioDefinition> = {},
): StdioDefinition {
  return {
    ...defaults,
    name: 'under-test',
    transport: 'stdio',
    command: process.execPath,
    args: [file, ...args],
    env: {},
    cwd: undefined,
    ...more,
  };
}

export function remoteDefinition(
  transport: 'streamable-http' | 'sse',
  url: string,
  more: Partial<RemoteDefinition> = {},
): RemoteDefinition {
  return { ...defaults, name: 'under-test', transport, url, headers: {}, ...more };
}

export function openOptions(marker: Marker, more: Partial<OpenSessionOptions> = {}): OpenSessionOptions {
  return {
    signal: new AbortController().signal,
    marker,
    baseEnv: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      CANARY_OF_ENGINE: 'must-not-leak',
    },
    logger: silentLogger,
    clientInfo: { name: 'mcp-runtime-test', version: '0.0.0' },
    ...more,
  };
}

export const within = (timeoutMs = 10_000, more: Partial<RequestOptions> = {}): RequestOptions => ({
  signal: new AbortController().signal,
  timeoutMs,
  ...more,
});

export interface Bench {
  readonly marker: Marker;
  /** File of the fixtures' event log. */
  readonly log: string;
  events(ev?: string): LoggedEvent[];
  /** A session with a hostile stdio server. */
  hostile(name: string, args?: readonly string[], more?: BenchOptions): Promise<UpstreamSession>;
  open(
    definition: Parameters<typeof openSession>[0],
    options?: Partial<OpenSessionOptions>,
  ): Promise<UpstreamSession>;
  /** A hostile HTTP server; ended with the test. */
  http(file: string, args?: readonly string[]): Promise<RunningServer>;
}

export interface BenchOptions {
  readonly definition?: Partial<StdioDefinition>;
  readonly options?: Partial<OpenSessionOptions>;
}

/** One test's workplace: after the test all its sessions are closed, and no process with its marker may live. */
export function bench(): () => Bench {
  let current:
    | {
        marker: Marker;
        folder: string;
        oracles: Oracles;
        sessions: UpstreamSession[];
        servers: RunningServer[];
      }
    | undefined;
  afterEach(async () => {
    const used = current;
    current = undefined;
    if (!used) return;
    await Promise.all(used.sessions.map((session) => session.close()));
    await Promise.all(used.servers.map((server) => server.stop()));
    await used.oracles.verifyGone();
    rmSync(used.folder, { recursive: true, force: true });
  });
  return () => {
    current ??= begin();
    const { marker, folder, sessions, servers } = current;
    const log = join(folder, 'events.jsonl');
    const open: Bench['open'] = async (definition, options = {}) => {
      const session = await openSession(definition, openOptions(marker, options));
      sessions.push(session);
      return session;
    };
    return {
      marker,
      log,
      events: (ev) => readEvents(log).filter((event) => ev === undefined || event.ev === ev),
      open,
      hostile: (name, args = [], { definition = {}, options = {} } = {}) =>
        open(
          stdioDefinition(hostile(name), args, {
            name,
            ...definition,
            env: { HOSTILE_LOG: log, ...definition.env },
          }),
          options,
        ),
      http: async (file, args = []) => {
        const server = await startHttpFixture(file, args, { HOSTILE_LOG: log, [marker.name]: marker.value });
        servers.push(server);
        return server;
      },
    };
  };
}

export async function textOf(answer: Promise<{ value: CallToolResult }>): Promise<string> {
  const { value } = await answer;
  return String(value.content?.[0]?.['text']);
}

/** The RuntimeError a promise rejects with; fails when it does not. */
export async function errorOf(promise: Promise<unknown>): Promise<RuntimeError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!('error' in outcome))
    throw new Error(`expected a rejection, got ${JSON.stringify(outcome.value)?.slice(0, 200)}`);
  const error = outcome.error as RuntimeError;
  if (error.name !== 'RuntimeError')
    throw new Error(`expected a RuntimeError, got ${String(error)}`, { cause: error });
  return error;
}

function begin() {
  const marker = uniqueMarker();
  return {
    marker,
    folder: mkdtempSync(join(tmpdir(), 'upstream-test-')),
    oracles: beginOracles(marker),
    sessions: [],
    servers: [],
  };
}
