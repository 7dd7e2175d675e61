import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { stdioDefinition } from '../../test/support/upstream.js';
import type { ClientLink } from '../core/client-link.js';
import { inWorkspace, workspaceOf } from './workspace.js';

const client = (more: Partial<ClientLink>): ClientLink => ({
  clientId: 'a',
  capabilities: { roots: {} },
  ask: async () => ({}),
  tell: () => {},
  ...more,
});
const signal = new AbortController().signal;

describe('the workspace of a client', () => {
  it('is its first root that is a directory here, else where its front-end was started', async () => {
    const here = mkdtempSync(join(tmpdir(), 'work here '));
    const file = join(here, 'a.txt');
    writeFileSync(file, '');
    // Of a client on another machine, and no directory.
    const other = [{ uri: 'https://x.example/' }, { uri: 'file:///not/on/this/machine' }, null];
    const elsewhere = [...other, { uri: pathToFileURL(file).href }];
    const roots = [...elsewhere, { uri: pathToFileURL(here).href }];
    try {
      const asked = client({ ask: async () => ({ roots }), workspace: '/started' });
      expect(await workspaceOf(asked, signal)).toEqual({ roots, directory: here });
      const remote = client({ ask: async () => ({ roots: elsewhere }), workspace: '/started' });
      expect(await workspaceOf(remote, signal)).toEqual({ roots: elsewhere, directory: '/started' });
    } finally {
      rmSync(here, { recursive: true });
    }
    const bare = client({ capabilities: {}, workspace: '/started' });
    expect(await workspaceOf(bare, signal)).toEqual({ roots: undefined, directory: '/started' });
    const refusing = client({ ask: () => Promise.reject({ code: -32601, message: 'no' }) });
    expect(await workspaceOf(refusing, signal)).toEqual({ roots: undefined, directory: undefined });
    expect(await workspaceOf(undefined, signal)).toEqual({ roots: undefined, directory: undefined });
  });

  it('stands in the definition of a server of its own alone', () => {
    const more = { args: ['--root', '${workspaceRoot}/src'], env: { ROOT: '${workspaceFolder}' } };
    const own = stdioDefinition('x', [], { ...more, sharing: 'per-client' });
    expect(inWorkspace(own, '/w', '/home')).toMatchObject({
      args: ['--root', '/w/src'],
      env: { ROOT: '/w' },
      cwd: '/w',
    });
    expect(inWorkspace(own, undefined, '/home')).toMatchObject({ env: { ROOT: '/home' }, cwd: undefined });
    const shared = stdioDefinition('x', [], more);
    expect(inWorkspace(shared, '/w', '/home')).toBe(shared);
  });
});
