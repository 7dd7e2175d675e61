import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually, fixture, hostile } from '../support/processes.js';
import { good, node, type RuntimeClient, workplace } from '../support/runtime.js';

/** Everything into the file itself: a log beside it would mend what a test spoils. */
function checkpoint(path: string): void {
  execFileSync(process.execPath, [fixture('sql.mjs'), path, 'PRAGMA wal_checkpoint(TRUNCATE)']);
}

describe('learning of servers', () => {
  const at = workplace();
  const tools = async (client: RuntimeClient, server_name: string) =>
    (await client.call('get_server_tools', { server_name })).structuredContent as {
      tools: { tool: string }[];
      total: number;
      stale?: string;
    };

  it('takes in what a running server announces', async () => {
    at().servers({ s: node(hostile('rug-pull')) });
    const client = await at().client();
    await client.learnt();
    const before = await tools(client, 's');
    await client.call('manage_server', { server_name: 's', action: 'start' });
    await eventually(async () => {
      await client.execute('s', before.tools[0]?.tool ?? '', {});
      return JSON.stringify(await tools(client, 's')) !== JSON.stringify(before);
    }, 15_000);
  });

  it('overwrite: learns anew at each start; an edited entry at once; a removed one is gone', async () => {
    at().servers({ once: good(), always: { ...good(), overwrite: true } });
    const first = await at().client();
    await first.learnt();
    await first.close();
    const client = await at().client();
    await client.learnt();
    expect(at().events('once', 'start')).toHaveLength(1);
    expect(at().events('always', 'start')).toHaveLength(2);
    const { total } = await tools(client, 'once');
    at().servers({ once: { ...good(), env: { GOOD_TOOLS: '2' } } });
    await eventually(async () => (await tools(client, 'once')).total === total + 2, 15_000);
    const gone = await client.call('get_server_tools', { server_name: 'always' });
    expect(gone.isError).toBe(true);
    const found = await client.call('search_tools', {
      query: 'echo',
      server_names: ['always'],
      min_score: 0,
    });
    expect(found.structuredContent.hits).toEqual([]);
  });

  it('what cannot be learnt any more keeps its last good tools, marked; statistics count it', async () => {
    at().servers({ s: good() });
    const client = await at().client();
    await client.learnt();
    const { total } = await tools(client, 's');
    at().servers({ s: node(hostile('exits-immediately')) });
    await eventually(async () => {
      const { learning } = (await client.call('get_statistics')).structuredContent;
      return learning.failed === 1 && learning.waiting === 0;
    }, 15_000);
    const now = await tools(client, 's');
    expect(now.total).toBe(total);
    expect(now.stale).toEqual(expect.any(String));
    const listed = (await client.call('list_servers')).structuredContent.servers[0];
    expect(listed.problem).toContain('may be out of date');
    const found = await client.call('search_tools', { query: 'echo', min_score: 0 });
    expect(found.structuredContent.hits[0]).toMatchObject({ server: 's' });
  });

  it.each([
    ['is no database', () => Buffer.from('<html>'.repeat(1000))],
    ['is cut off', (file: Buffer) => file.subarray(0, 5_000)],
    ['has a page of nonsense', (file: Buffer) => Buffer.from(file).fill(0x5a, 4_096, 8_192)],
  ])('a catalog that %s is learnt again, and list_servers says so', async (_name, spoil) => {
    at().servers({ s: good() });
    const first = await at().client();
    await first.learnt();
    await first.close();
    const path = join(at().home, 'catalog.db');
    checkpoint(path);
    writeFileSync(path, spoil(readFileSync(path)));
    const client = await at().client();
    await client.learnt();
    expect((await client.call('list_servers')).structuredContent.problems?.join()).toContain('damaged');
    const found = await client.call('search_tools', { query: 'echo', min_score: 0 });
    expect(found.structuredContent.hits[0]).toMatchObject({ server: 's', tool: 'echo' });
  });
});
