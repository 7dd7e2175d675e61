import { describe, expect, it } from 'vitest';
import { eventually } from '../support/processes.js';
import { good, node, realServer, textOf, workplace } from '../support/runtime.js';

describe('get_server_info', () => {
  const at = workplace();

  it('names resources and prompts of a server that runs, and says of one that does not that it has some', async () => {
    at().servers({ everything: node(realServer('everything')) });
    const { call, execute, learnt } = await at().client();
    await learnt();
    const server_name = 'everything';
    await call('manage_server', { server_name, action: 'shutdown' });
    const stopped = await call('get_server_info', { server_name });
    expect(stopped.structuredContent.unnamed.toSorted()).toEqual(['prompts', 'resources']);
    expect((await call('list_running_servers')).structuredContent.servers).toEqual([]);
    await execute(server_name, 'echo', { message: 'up' });
    const info = await call('get_server_info', { server_name });
    expect(info.structuredContent.prompts).toContainEqual(expect.stringMatching(/^args-prompt: /));
    expect(info.structuredContent.unnamed).toBeUndefined();
    expect(textOf(info)).toContain('Prompts: ');
    const [uri] = info.structuredContent.resources[0].split(': ');
    const read = await call('get_content', { ref_id: uri, server_name });
    expect(read.isError).toBeFalsy();
  }, 60_000);
});

describe('resources that a server links to', () => {
  const at = workplace();

  it('STO-08: are read by their uri within the server that gave them, and looked into like kept content', async () => {
    at().servers({ everything: node(realServer('everything')), good: good() });
    const client = await at().client();
    await client.learnt();
    const result = await client.execute('everything', 'get-resource-links', { count: 2 });
    const links = result.content.filter((block) => block.type === 'resource_link');
    const uri = String(links[0]?.['uri']);
    expect(uri).toMatch(/^demo:/);
    const read = await client.call('get_content', { ref_id: uri, server_name: 'everything' });
    expect(read.isError).toBeFalsy();
    expect(read.content[0]?.type).toMatch(/text|resource/);

    const embedded = await client.execute('everything', 'get-resource-reference', {
      resourceType: 'Text',
      resourceId: 3,
    });
    const resource = embedded.content.find((block) => block.type === 'resource')?.['resource'];
    const again = await client.call('get_content', {
      ref_id: (resource as { uri: string }).uri,
      server_name: 'everything',
      search: 'resource',
    });
    expect(textOf(again)).toMatch(/1: /);

    // Neither another server nor another uri: only what was given out.
    for (const [ref_id, server_name] of [
      [uri, 'good'],
      ['file:///etc/passwd', 'everything'],
      ['demo://resource/dynamic/text/77', 'everything'],
    ]) {
      const refused = await client.call('get_content', { ref_id, server_name });
      expect(refused.structuredContent?.error?.code, `${ref_id} of ${server_name}`).toBe('CONTENT_NOT_FOUND');
    }
    const unknown = await client.call('get_content', { ref_id: uri, server_name: 'nobody' });
    expect(unknown.structuredContent.error.code).toBe('SERVER_NOT_FOUND');
  }, 60_000);

  it('STO-08: those that a server lists may be read as well', async () => {
    at().servers({ everything: node(realServer('everything')) });
    const client = await at().client();
    const { sdk } = client;
    const definition = (await sdk.listTools()).tools.find(({ name }) => name === 'get_content');
    expect(definition?._meta).toEqual({ 'anthropic/maxResultSizeChars': 500_000 });
    const listed = await eventually(async () => {
      const answer = await client.call('get_content', {
        ref_id: 'demo://resource/static/document/architecture.md',
        server_name: 'everything',
        lines: '1-3',
      });
      return answer.isError ? undefined : answer;
    }, 20_000);
    expect(textOf(listed)).toContain('#');
  }, 60_000);
});
