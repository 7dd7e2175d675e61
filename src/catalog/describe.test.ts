import { describe, expect, it } from 'vitest';
import type { ListedTool, ServerIdentity, StdioDefinition } from '../core/server.js';
import { describeServer, firstSentence, toolTitle } from './describe.js';

const definition: StdioDefinition = {
  name: 'hub',
  transport: 'stdio',
  command: 'hub',
  args: [],
  env: {},
  cwd: undefined,
  startTimeoutMs: 1,
  idleTimeoutMs: 1,
  maxConcurrency: 1,
  sharing: 'shared',
  restart: 'never',
  hints: [],
  blockedTools: ['drop'],
  disabled: false,
  overwrite: false,
  needs: ['HUB_TOKEN'],
  source: 'file',
};
const identity = (instructions: string): ServerIdentity => ({
  name: 'hub-server',
  version: '1',
  title: 'The Hub',
  instructions,
  protocolVersion: '2025-11-25',
  capabilities: {},
});
const tools = (...names: string[]): ListedTool[] => names.map((name) => ({ name }));

describe('what is derived of a server', () => {
  it('few tools: a sentence each; limits from definition, annotations and its own words', () => {
    const own: ListedTool[] = [
      { name: 'read', description: 'Reads a page. Slowly.' },
      { name: 'wipe', annotations: { destructiveHint: true } },
    ];
    const said = 'Works with pages. Only pages under 1 MB can be read. It cannot log in!';
    expect(describeServer(definition, identity(said), own)).toEqual({
      title: 'The Hub',
      summary: said,
      capabilities: ['Reads a page.', 'wipe'],
      limitations: [
        '1 tool is blocked by its definition',
        '1 tool may delete or overwrite',
        'needs HUB_TOKEN',
        'Only pages under 1 MB can be read.',
        'It cannot log in!',
      ],
    });
  });

  it('many tools: the things they work on, the most used first', () => {
    const many = tools(
      'create_issue',
      'list_issues',
      'getIssue',
      'create_pull_request',
      'list-pull-requests',
      'hub.delete_branch',
      'search',
      'status',
      'address',
      'read_file',
    );
    const { capabilities } = describeServer(definition, undefined, many);
    expect(capabilities.slice(0, 3)).toEqual([
      'issue: create, list, get',
      'pull request: create, list',
      'branch: delete',
    ]);
    expect(capabilities).toContain('address');
    expect(capabilities).toHaveLength(7);
  });

  it('is bounded and harmless whatever a server says', () => {
    const loud = `\u001b[31mOnly ${'x'.repeat(100_000)}. `.repeat(3);
    const found = describeServer(definition, identity(loud), tools('a'.repeat(10_000), ...'bcdefghij'));
    expect(JSON.stringify(found).length).toBeLessThan(4_000);
    expect(JSON.stringify(found)).not.toContain('\\u001b');
    expect(firstSentence('One.two three. Four')).toBe('One.two three.');
    expect(toolTitle({ name: 'n', annotations: { title: 'T' } })).toBe('T');
  });
});
