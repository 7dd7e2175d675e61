import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveSettings } from '../../src/config/settings.js';
import { RuntimeEngine } from '../../src/engine/engine.js';
import { silentLogger } from '../../src/lib/log.js';
import { openSession } from '../../src/upstream/open-session.js';
import { connectRuntime } from '../../src/wire/client.js';
import { serveRuntime } from '../../src/wire/server.js';
import { connectSocket, listenSocket } from '../../src/wire/socket-link.js';
import { runtimePortContract } from '../contract/runtime-port.js';
import { expectNoProcess, fixture, uniqueMarker } from '../support/processes.js';
import { openOptions, stdioDefinition } from '../support/upstream.js';

/** A real engine with a real upstream, in this process. */
async function startEngine() {
  const home = mkdtempSync(join(tmpdir(), 'mcprt-port-'));
  const marker = uniqueMarker();
  const engine = await RuntimeEngine.start({
    settings: resolveSettings(
      { MCP_RUNTIME_HOME: home, MAX_RESULT_TOKENS: '100000000' },
      { name: process.platform, homeDirectory: home, workingDirectory: home },
    ),
    stateDirectory: home,
    contentDirectory: join(home, 'content'),
    servers: {
      path: '',
      definitions: [stdioDefinition(fixture('good-server.mjs'), [], { name: 'good', restart: 'on-failure' })],
      problems: [],
    },
    open: (definition, _tenant, signal) => openSession(definition, openOptions(marker, { signal })),
    familyMemory: async () => undefined,
    logger: silentLogger,
    version: '1.0.0',
    pid: process.pid,
    mode: 'test',
    memory: () => 0,
  });
  return {
    home,
    engine,
    close: async () => {
      await engine.close();
      await expectNoProcess(marker);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

runtimePortContract({
  name: 'the engine',
  open: async () => {
    const { engine, close } = await startEngine();
    return { port: engine, close };
  },
});

runtimePortContract({
  name: 'the engine behind the wire',
  open: async () => {
    const { home, engine, close } = await startEngine();
    const server = await serveRuntime({
      port: engine,
      listen: [(accept) => listenSocket(join(home, 's'), accept)],
      version: '1.0.0',
      pid: process.pid,
    });
    const port = await connectRuntime({
      link: (listener) => connectSocket(join(home, 's'), listener),
      version: '1.0.0',
    });
    return {
      port,
      close: async () => {
        await port.close();
        await server.close();
        await close();
      },
    };
  },
});
