import { afterEach, describe, expect, it } from 'vitest';
import { eventually, fixture } from '../support/processes.js';
import { type RawClient, rawClient } from '../support/raw-client.js';
import { bin, node, workplace } from '../support/runtime.js';

/** A client of its own whose roots can be changed. */
async function windowAt(root: string, words: string[], env: Record<string, string>) {
  const at = { uri: `file://${root}`, asked: 0 };
  const client = await rawClient([process.execPath, bin, 'serve', ...words], {
    capabilities: { roots: { listChanged: true } },
    answers: {
      'roots/list': () => {
        at.asked += 1;
        return { roots: [{ uri: at.uri }] };
      },
    },
    env,
  });
  const known = async (server: string): Promise<{ roots: unknown; told: number }> => {
    const args = { server_name: server, tool_name: 'roots', arguments: {} };
    const { result } = await client.request('tools/call', { name: 'execute_tool', arguments: args });
    return JSON.parse(result.content[0].text);
  };
  return { client, at, known };
}

describe.each(['embedded', 'socket', 'zeromq'] as const)('roots of a client that change, %s', (kind) => {
  const at = workplace({ engine: kind === 'embedded' ? 'embedded' : 'shared' });
  const clients: RawClient[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });

  it('are told to its own servers, and to nobody else', async () => {
    const place = at();
    const server = node(fixture('roots-server.mjs'));
    place.servers({ own: { ...server, sharing: 'per-client' }, shared: server });
    const words = ['--engine', kind === 'embedded' ? kind : 'shared'];
    const env = { ...place.env, ...(kind === 'embedded' ? {} : { ENGINE_LINK: kind }) };
    const one = await windowAt('/tmp', words, env);
    const other = await windowAt('/usr', words, env);
    clients.push(one.client, other.client);
    await one.known('shared');
    // It asks by itself, while no call waits.
    await eventually(async () => {
      const [mine, theirs] = [await one.known('own'), await other.known('own')];
      return String(mine.roots) === 'file:///tmp' && String(theirs.roots) === 'file:///usr';
    }, 20_000);
    one.at.uri = 'file:///var';
    for (let time = 0; time < 20; time += 1) one.client.notify('notifications/roots/list_changed');
    await eventually(async () => String((await one.known('own')).roots) === 'file:///var', 20_000);
    // However often it says so while it is being asked: told at least once, and not once for each.
    const { told } = await one.known('own');
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(20);
    expect(await other.known('own')).toEqual({ roots: ['file:///usr'], told: 0 });
    expect((await one.known('shared')).told).toBe(0);
  }, 90_000);
});

describe('a client that says its roots have changed', () => {
  const at = workplace();

  it('is not asked for them where it declared none, nor where no server of its own runs', async () => {
    const place = at();
    place.servers({ own: { ...node(fixture('roots-server.mjs')), sharing: 'per-client' } });
    const { client, at: mine, known } = await windowAt('/tmp', ['--engine', 'embedded'], place.env);
    const bare = await rawClient([process.execPath, bin, 'serve', '--engine', 'embedded'], {
      answers: { 'roots/list': () => ({ roots: [{ uri: 'file:///never' }] }) },
      env: place.env,
    });
    try {
      client.notify('notifications/roots/list_changed');
      await client.request('tools/call', { name: 'list_running_servers', arguments: {} });
      expect(mine.asked).toBe(0);
      await known('own');
      expect(mine.asked).toBeGreaterThan(0);
      bare.notify('notifications/roots/list_changed');
      const args = { server_name: 'own', tool_name: 'roots', arguments: {} };
      const { result } = await bare.request('tools/call', { name: 'execute_tool', arguments: args });
      expect(result.content[0].text).not.toContain('never');
    } finally {
      await Promise.all([client.close(), bare.close()]);
    }
  }, 60_000);
});
