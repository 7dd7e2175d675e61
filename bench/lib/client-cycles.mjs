// Clients that come, call and go, over and over: the engine and the way to it must keep nothing of them.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { composeEngine } from '../../dist/cli/compose.js';
import { resolveSettings } from '../../dist/config/settings.js';
import { connectRuntime } from '../../dist/wire/client.js';
import { linkTo } from '../../dist/wire/link-address.js';
import { serveRuntime } from '../../dist/wire/server.js';
import { listenSocket } from '../../dist/wire/socket-link.js';
import { loadZeromq } from '../../dist/wire/zeromq-module.js';
import { listenZeromq } from '../../dist/wire/zeromq-server.js';
import { repeat } from './cycles.mjs';

const good = fileURLToPath(new URL('../../test/fixtures/good-server.mjs', import.meta.url));
const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Engine and clients in this one process, so that what either keeps is seen. @returns what went wrong, in words. */
export async function clientCycles({ count, say }) {
  const faults = [];
  const home = await mkdtemp(join(tmpdir(), 'mcp-runtime-cycles-'));
  const config = join(home, 'servers.json');
  await writeFile(
    config,
    JSON.stringify({ mcpServers: { good: { command: process.execPath, args: [good] } } }),
  );
  const environment = { ...process.env, MCP_RUNTIME_HOME: home, MCP_RUNTIME_CONFIG: config };
  const platform = { name: process.platform, homeDirectory: home, workingDirectory: home };
  const { engine, close } = await composeEngine({
    settings: resolveSettings(environment, platform),
    environment,
    logger: silent,
    stateDirectory: home,
    mode: 'cycles',
  });
  const zeromq = await loadZeromq().catch(() => undefined);
  const links = {
    socket: (path, accept) => listenSocket(path, accept),
    ...(zeromq ? { zeromq: (path, accept) => listenZeromq(zeromq, `ipc://${path}`, accept) } : {}),
  };
  const signal = () => new AbortController().signal;
  try {
    for (const [kind, listen] of Object.entries(links)) {
      const server = await serveRuntime({
        port: engine,
        listen: [(accept) => listen(join(home, kind), accept)],
        version: '0',
        pid: process.pid,
      });
      const { address } = server.links[0];
      const once = async () => {
        const port = await connectRuntime({ link: linkTo(address), version: '0' });
        const caller = { principal: 'local', clientId: randomUUID() };
        const detach = port.attach(caller);
        const input = { server_name: 'good', tool_name: 'echo', arguments: { text: 'x' }, timeout: 30 };
        await port.execute_tool(
          { ...input, in_background: false, priority: 1, count_waiting: false },
          { caller, signal: signal() },
        );
        detach();
        await port.close();
      };
      faults.push(...(await repeat(`clients over ${kind}`, once, { count, say })));
      await server.close();
    }
  } finally {
    await close();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
  return faults;
}
