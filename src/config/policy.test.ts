import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parsePolicy } from './policy.js';
import { parsePolicyFile, readPolicyFile } from './policy-file.js';
import { parseServersFile } from './servers-file.js';

describe('parsePolicy', () => {
  it('reads text and objects; the first slash ends the name of the server', () => {
    const raw = {
      allow: ['files', 'git/read_*', { server: 'a/b', tool: 'c', client: 'claude*' }],
      deny: ['*/delete/all'],
      confirm: 'destructive',
    };
    expect(parsePolicy(raw, 'servers')).toEqual({
      policy: {
        allow: [
          { server: 'files' },
          { server: 'git', tool: 'read_*' },
          { server: 'a/b', tool: 'c', client: 'claude*' },
        ],
        deny: [{ server: '*', tool: 'delete/all' }],
        confirm: 'destructive',
      },
      problems: [],
    });
    expect(parsePolicy({ confirm: [{ destructive: true }, 'mail/send'] }, 'servers').policy).toEqual({
      confirmRules: [{ destructive: true }, { server: 'mail', tool: 'send' }],
    });
    expect(parsePolicy({ allow: ['a/b'] }, 'tools').policy).toEqual({ allow: [{ tool: 'a/b' }] });
  });

  it.each([
    [{ dney: ['x'] }, '"dney" is not known (did you mean "deny"?)'],
    [{ deny: 'x' }, '"deny" must be a list of rules'],
    [{ deny: [1] }, 'deny[0] must be text or an object'],
    [{ deny: [''] }, 'deny[0] must be text or an object'],
    [{ deny: [{}] }, 'deny[0] says nothing'],
    [{ deny: [{ tol: 'x' }] }, 'deny[0]: "tol" is not known (did you mean "tool"?)'],
    [{ deny: [{ readonly: true }] }, 'did you mean "readOnly"?'],
    [{ deny: [{ readOnly: 'yes' }] }, 'deny[0]: "readOnly" must be true or false'],
    [{ confirm: 'destructiv' }, '"destructiv" is not known (did you mean "destructive"?)'],
    [{ confirm: true }, '"confirm" must be "never"'],
    [[], 'must be an object'],
  ])('refuses %j, and with it all of the policy', (raw, why) => {
    const parsed = parsePolicy(raw, 'servers');
    expect(parsed.policy).toBeUndefined();
    expect(parsed.problems.join(' ')).toContain(why);
  });

  it('a definition names no other server', () => {
    expect(parsePolicy({ deny: [{ server: 'x' }] }, 'tools').problems).toHaveLength(1);
  });
});

describe('the files', () => {
  it('policy.json: comments are fine, errors name line and column', () => {
    expect(parsePolicyFile('/p', '\uFEFF{ // mine\n "deny": ["x"], }').policy).toEqual({
      deny: [{ server: 'x' }],
    });
    expect(parsePolicyFile('/p', '{\n  "deny" []\n}').problems[0]).toMatch(/^\/p:2:/);
    expect(parsePolicyFile('/p', '').problems).toHaveLength(1);
  });

  it('servers file: an entry whose policy is not valid is not used', () => {
    const parse = (policy: unknown) =>
      parseServersFile('/s', JSON.stringify({ mcpServers: { a: { command: 'x', policy } } }), {
        environment: {},
        baseDirectory: '/',
      });
    expect(parse({ deny: ['x*'], confirm: 'always' }).definitions).toMatchObject([
      { policy: { deny: [{ tool: 'x*' }], confirm: 'always' } },
    ]);
    const bad = parse({ alow: ['x'] });
    expect(bad.definitions).toEqual([]);
    expect(bad.problems).toMatchObject([
      {
        fatal: true,
        message: expect.stringContaining('policy: "alow" is not known (did you mean "allow"?)'),
      },
    ]);
  });

  it('POL-04: a link to a policy that is gone is no missing policy, which would allow everything', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'policy-'));
    try {
      const path = join(folder, 'policy.json');
      expect(await readPolicyFile(path)).toEqual({ path, policy: undefined, problems: [] });
      symlinkSync(join(folder, 'mounted-later'), path);
      expect((await readPolicyFile(path)).problems).toEqual([expect.stringContaining('cannot be read')]);
      writeFileSync(join(folder, 'mounted-later'), '{ "deny": ["x"] }');
      expect(await readPolicyFile(path)).toMatchObject({ policy: { deny: [{ server: 'x' }] }, problems: [] });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
