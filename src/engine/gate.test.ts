import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Catalog } from '../catalog/catalog.js';
import { openCatalogDb } from '../catalog/catalog-db.js';
import { Approvals } from '../catalog/pins/approvals.js';
import { PinDb } from '../catalog/pins/pin-db.js';
import { createSearchIndex } from '../catalog/search/index.js';
import type { StdioDefinition } from '../core/server.js';
import { Gate } from './gate.js';

const definition: StdioDefinition = {
  name: 's',
  transport: 'stdio',
  command: 'node',
  args: [],
  env: {},
  cwd: undefined,
  startTimeoutMs: 1,
  idleTimeoutMs: 1,
  maxConcurrency: 1,
  sharing: 'shared',
  restart: 'never',
  hints: [],
  blockedTools: ['blocked_mine', 'blocked_theirs'],
  disabled: false,
  overwrite: false,
  source: 'file',
};
const identity = { name: 's', version: '1', protocolVersion: '2025-11-25', capabilities: {} };

describe('CLI-05: what is refused to one who may not see it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gate-'));
  const { db } = openCatalogDb(join(folder, 'catalog.db'));
  const pins = new PinDb(join(folder, 'pins.db'));
  afterEach(() => {
    db.close();
    pins.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is not there, whether it waits for approval, is blocked, or never was', () => {
    const approvals = new Approvals(pins, { trust: 'first-use', pinTools: true });
    const catalog = new Catalog({ db, search: createSearchIndex(undefined), approvals });
    catalog.setDefinitions([definition]);
    const tool = (name: string, description: string) => ({ name, description });
    const record = (description: string) =>
      catalog.record('s', {
        identity,
        tools: ['mine', 'theirs'].map((name) => tool(name, description)),
        problems: [],
      });
    record('as approved');
    record('changed');
    const gate = new Gate(catalog);
    const restricted = gate.sight({
      principal: 'guest',
      restriction: { allow: [{ server: 's', tool: '*mine' }] },
    });
    const saysOf = (name: string) => restricted.toolNotFound('s', name);
    for (const name of ['theirs', 'blocked_theirs', 'never_theirs'])
      expect(saysOf(name)).toMatchObject({
        code: 'TOOL_NOT_FOUND',
        message: `The server "s" has no tool "${name}".`,
        data: { nearest: [] },
      });
    expect(saysOf('mine').code).toBe('NOT_APPROVED');
    expect(saysOf('blocked_mine').code).toBe('TOOL_BLOCKED');
    const owner = gate.sight({ principal: 'local' });
    expect(owner.toolNotFound('s', 'theirs').code).toBe('NOT_APPROVED');
  });
});
