import { describe, expect, it } from 'vitest';
import type { Policy, Restriction } from '../core/policy.js';
import { judgeFor } from './decide.js';

const READS = { readOnlyHint: true };
const ADDS = { destructiveHint: false };
const verdict = (
  policy: Policy | undefined,
  [server, tool]: [string, string],
  {
    annotations = {},
    own,
    restriction,
    client,
  }: {
    annotations?: object;
    own?: Policy;
    restriction?: Restriction;
    client?: string;
  } = {},
) =>
  judgeFor({ principal: 'local', clientName: client, restriction }, policy).tool(
    server,
    own,
    tool,
    annotations,
  );
const reach = (policy: Policy | undefined, server: string, restriction?: Restriction) =>
  judgeFor({ principal: 'local', restriction }, policy).server(server, undefined);

describe('the decision', () => {
  it('without rules everything may be used', () => {
    expect(verdict(undefined, ['a', 't'])).toBe('allow');
    expect(reach(undefined, 'a')).toBe('whole');
  });

  it('deny wins over allow, also that of the definition', () => {
    const policy = { allow: [{ server: 'a' }], deny: [{ server: 'a', tool: 'delete_*' }] };
    expect(verdict(policy, ['a', 'read'])).toBe('allow');
    expect(verdict(policy, ['a', 'delete_x'])).toBe('hidden');
    expect(verdict(policy, ['b', 'read'])).toBe('hidden');
    expect(verdict(policy, ['a', 'read'], { own: { deny: [{ tool: 'read' }] } })).toBe('hidden');
    expect(verdict(policy, ['a', 'read'], { own: { allow: [{ tool: 'write' }] } })).toBe('hidden');
  });

  it('what forbids or asks first minds no case, what allows is exact', () => {
    const policy = { deny: [{ server: 'Git*', tool: 'delete_*' }], confirmRules: [{ tool: 'write' }] };
    expect(verdict(policy, ['git', 'Delete_all'])).toBe('hidden');
    expect(verdict(policy, ['git', 'WRITE'])).toBe('confirm');
    expect(verdict({ deny: [{ client: 'CURSOR*' }] }, ['a', 't'], { client: 'cursor-vscode' })).toBe(
      'hidden',
    );
    expect(verdict({ allow: [{ tool: 'read' }] }, ['a', 'Read'])).toBe('hidden');
  });

  it('an empty list of what is allowed allows nothing', () => {
    expect(verdict({ allow: [] }, ['a', 't'])).toBe('hidden');
    expect(reach({ allow: [] }, 'a')).toBe('hidden');
  });

  it('how much of a server: whole, some tools, nothing', () => {
    expect(reach({ allow: [{ server: 'a' }] }, 'a')).toBe('whole');
    expect(reach({ allow: [{ server: 'a', tool: '*' }] }, 'a')).toBe('whole');
    expect(reach({ allow: [{ server: 'a', tool: 'x*' }] }, 'a')).toBe('tools');
    expect(reach({ allow: [{ server: 'a', readOnly: true }] }, 'a')).toBe('tools');
    expect(reach({ allow: [{ server: 'a' }] }, 'b')).toBe('hidden');
    expect(reach({ deny: [{ server: 'a', tool: 'x' }] }, 'a')).toBe('whole');
    expect(reach({ deny: [{ server: 'a' }] }, 'a')).toBe('hidden');
  });

  it('hints: who says nothing may destroy', () => {
    const policy = { deny: [{ destructive: true }] };
    expect(verdict(policy, ['a', 't'])).toBe('hidden');
    expect(verdict(policy, ['a', 't'], { annotations: ADDS })).toBe('allow');
    expect(verdict(policy, ['a', 't'], { annotations: READS })).toBe('allow');
    expect(verdict({ allow: [{ readOnly: true }] }, ['a', 't'], { annotations: ADDS })).toBe('hidden');
    expect(verdict({ allow: [{ readOnly: true }] }, ['a', 't'], { annotations: READS })).toBe('allow');
    // A hint that is no boolean is no hint.
    expect(verdict(policy, ['a', 't'], { annotations: { readOnlyHint: 'yes' } })).toBe('hidden');
  });

  it('clients by their name or principal; who has no name fits no name', () => {
    const policy = { deny: [{ server: 'a', client: 'cursor*' }] };
    expect(verdict(policy, ['a', 't'], { client: 'cursor-vscode' })).toBe('hidden');
    expect(verdict(policy, ['a', 't'], { client: 'claude-ai' })).toBe('allow');
    expect(verdict({ allow: [{ client: 'claude*' }] }, ['a', 't'])).toBe('hidden');
    expect(verdict({ allow: [{ client: 'local' }] }, ['a', 't'])).toBe('allow');
  });

  it('a restriction takes away and never gives', () => {
    const restriction = { allow: [{ server: 'a', tool: 'get_*' }, { server: 'b' }] };
    expect(verdict({ deny: [{ server: 'b' }] }, ['b', 't'], { restriction })).toBe('hidden');
    expect(verdict(undefined, ['a', 'get_x'], { restriction })).toBe('allow');
    expect(verdict(undefined, ['a', 'set_x'], { restriction })).toBe('hidden');
    expect(reach(undefined, 'a', restriction)).toBe('tools');
    expect(reach(undefined, 'c', restriction)).toBe('hidden');
  });

  it('confirm: by default, by rule, and as the definition says', () => {
    const policy: Policy = { confirm: 'destructive', confirmRules: [{ server: 'mail', tool: 'send' }] };
    expect(verdict(policy, ['a', 't'])).toBe('confirm');
    expect(verdict(policy, ['a', 't'], { annotations: READS })).toBe('allow');
    expect(verdict(policy, ['mail', 'send'], { annotations: READS })).toBe('confirm');
    expect(verdict(policy, ['a', 't'], { own: { confirm: 'never' } })).toBe('allow');
    expect(verdict(policy, ['mail', 'send'], { own: { confirm: 'never' } })).toBe('confirm');
    expect(verdict(undefined, ['a', 't'], { annotations: READS, own: { confirm: 'always' } })).toBe(
      'confirm',
    );
    expect(verdict({ ...policy, deny: [{}] }, ['a', 't'])).toBe('hidden');
  });
});
