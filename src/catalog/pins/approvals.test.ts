import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IndexedDefinition, ListedTool, StdioDefinition } from '../../core/server.js';
import { Catalog } from '../catalog.js';
import { openCatalogDb } from '../catalog-db.js';
import { createSearchIndex } from '../search/index.js';
import { Approvals, type Trust } from './approvals.js';
import { DefinitionPins } from './definition-pins.js';
import { PinDb } from './pin-db.js';
import { ToolPinRows } from './tool-pin-rows.js';

const identity = { name: 's', version: '1', protocolVersion: '2025-11-25', capabilities: {} };
const base = {
  startTimeoutMs: 1,
  idleTimeoutMs: 1,
  maxConcurrency: 1,
  sharing: 'shared',
  restart: 'never',
  hints: [],
  blockedTools: [],
  disabled: false,
  overwrite: false,
} as const;

const definition = (written: string): StdioDefinition => ({
  ...base,
  name: 's',
  transport: 'stdio',
  command: 'node',
  // As a user edits it: the start and what is written of it change together.
  args: [written],
  env: {},
  cwd: undefined,
  source: 'file',
  written,
});

const tool = (name: string, version: number): ListedTool => ({
  name,
  description: `Tool ${name} in version ${version}.`,
  inputSchema: { type: 'object' },
});
const toolsOf = (offer: ReadonlyMap<string, number>) =>
  [...offer].map(([name, version]) => tool(name, version));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pins-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(at: string, options: { trust?: Trust; pinTools?: boolean } = {}) {
  const { db } = openCatalogDb(join(at, 'catalog.db'));
  const pins = new PinDb(join(at, 'pins.db'));
  const approvals = new Approvals(pins, { trust: 'first-use', pinTools: true, ...options });
  const catalog = new Catalog({ db, search: createSearchIndex(undefined), approvals });
  return {
    catalog,
    approvals,
    pins,
    close: () => {
      db.close();
      pins.close();
    },
  };
}

const found = async (catalog: Catalog) => {
  const { hits } = await catalog.searchTools({ query: 'tool version', limit: 100, minScore: 0 });
  return hits.map((hit) => hit.tool).sort();
};

/** What everybody can find, list and call, which must be the same; and not a word of any other form of it. */
async function reachable(catalog: Catalog, names: readonly string[]): Promise<string[]> {
  const callable = names.filter((name) => catalog.tool('s', name)).sort();
  const listed = (catalog.get('s')?.tools ?? []).map(({ name }) => name).sort();
  expect(listed).toEqual(callable);
  expect(await found(catalog)).toEqual(callable);
  return callable.map((name) => `${name} ${catalog.tool('s', name)?.description}`);
}

const NAMES = ['alpha', 'beta', 'gamma'];
const offers = fc
  .array(fc.tuple(fc.constantFrom(...NAMES), fc.integer({ min: 1, max: 2 })), { minLength: 1, maxLength: 3 })
  .map((entries) => new Map(entries));
const steps = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('offer' as const), offer: offers }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('approve' as const), name: fc.constantFrom(...NAMES) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('revoke' as const), name: fc.constantFrom(...NAMES) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('restart', 'reload', 'lose-catalog', 'edit', 'edit') }),
  },
);

describe('DWN-10: what is found, listed and called is what was approved', () => {
  it('holds over any sequence of changes, approvals, reloads, restarts and edits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 14 }), async (sequence) => {
        const at = mkdtempSync(join(folder, 'run-'));
        let engine = open(at);
        let edits = 0;
        engine.catalog.setDefinitions([definition('0')]);
        // The model: of each definition that was learnt, what was approved and what waits for a person.
        type Forms = Map<string, number>;
        const learnt: { approved: Forms; waits: Forms }[] = [];
        let offered: Forms = new Map();
        let fresh = true;
        let lost = false;
        const offer = (next: Forms) => {
          if (fresh) {
            const held = learnt.map(({ approved, waits }) => ({ approved, waits: new Map(waits) }));
            const isHeld = (name: string, version: number) =>
              held.some((one) => one.waits.has(name) && one.approved.get(name) !== version);
            for (const one of learnt) one.waits.clear();
            const approved = new Map([...next].filter(([name, version]) => !isHeld(name, version)));
            learnt.push({ approved, waits: new Map() });
          }
          const now = learnt.at(-1);
          now?.waits.clear();
          for (const [name, version] of next)
            if (now?.approved.get(name) !== version) now?.waits.set(name, version);
          fresh = false;
          lost = false;
          offered = next;
          engine.catalog.record('s', { identity, tools: toolsOf(next), problems: [] });
        };
        const other = (work: (rows: ToolPinRows) => void) => {
          const db = new PinDb(join(at, 'pins.db'));
          work(new ToolPinRows(db));
          db.close();
          engine.catalog.reconsider();
        };
        engine.catalog.reconsider();
        for (const step of sequence) {
          if (step.do === 'offer') offer(step.offer);
          else if (step.do === 'approve')
            other((rows) => {
              for (const one of rows.waiting()) {
                if (one.tool !== step.name) continue;
                expect(rows.approve({ ...one, hash: 'another' })).toBe(false);
                expect(rows.approve(one)).toBe(true);
              }
              for (const { approved, waits } of learnt) {
                const version = waits.get(step.name);
                if (version !== undefined) approved.set(step.name, version);
                waits.delete(step.name);
              }
            });
          else if (step.do === 'revoke')
            other((rows) => {
              rows.revoke('s', step.name);
              for (const { approved, waits } of learnt) {
                const version = approved.get(step.name);
                if (version !== undefined && !waits.has(step.name)) waits.set(step.name, version);
                approved.delete(step.name);
              }
            });
          else if (step.do === 'edit') {
            edits += 1;
            fresh = true;
            engine.catalog.setDefinitions([definition(String(edits))]);
          } else if (step.do === 'reload') engine.catalog.setDefinitions([definition(String(edits))]);
          else {
            engine.close();
            if (step.do === 'lose-catalog') {
              writeFileSync(join(at, 'catalog.db'), 'damaged');
              lost = true;
            }
            engine = open(at);
            engine.catalog.setDefinitions([definition(String(edits))]);
            engine.catalog.reconsider();
          }
          const expected = lost
            ? []
            : [...offered]
                .filter(([name, version]) => learnt.at(-1)?.approved.get(name) === version)
                .map(([name, version]) => `${name} Tool ${name} in version ${version}.`);
          expect(await reachable(engine.catalog, NAMES)).toEqual(expected.sort());
        }
        engine.close();
        rmSync(at, { recursive: true, force: true });
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it('a change is kept apart from what was approved, and going back restores it', async () => {
    const { catalog, pins, close } = open(folder);
    catalog.setDefinitions([definition('0')]);
    const record = (...tools: ListedTool[]) => catalog.record('s', { identity, tools, problems: [] });
    record(tool('alpha', 1), tool('beta', 1));
    record(tool('alpha', 2), tool('gamma', 1));
    expect(await found(catalog)).toEqual([]);
    const rows = new ToolPinRows(pins);
    expect(rows.waiting()).toMatchObject([
      { tool: 'alpha', approved: tool('alpha', 1), offered: tool('alpha', 2) },
      { tool: 'gamma', approved: undefined },
    ]);
    expect(() => {
      throw catalog.toolNotFound('s', 'alpha');
    }).toThrow(expect.objectContaining({ code: 'NOT_APPROVED' }) as Error);
    record(tool('alpha', 1), tool('beta', 1));
    expect(await found(catalog)).toEqual(['alpha', 'beta']);
    expect(rows.waiting()).toEqual([]);
    close();
  });

  it('editing a definition approves nothing that waits or was taken back, in no other form either', async () => {
    const { catalog, pins, close } = open(folder);
    catalog.setDefinitions([definition('0')]);
    const record = (...tools: ListedTool[]) => catalog.record('s', { identity, tools, problems: [] });
    record(tool('alpha', 1), tool('beta', 1), tool('gamma', 1));
    record(tool('alpha', 2), tool('beta', 1), tool('gamma', 2));
    new ToolPinRows(pins).revoke('s', 'beta');
    catalog.setDefinitions([definition('1')]);
    record(tool('alpha', 3), tool('beta', 3), tool('gamma', 1));
    expect(await found(catalog)).toEqual(['gamma']);
    expect(new ToolPinRows(pins).waiting()).toMatchObject([{ tool: 'alpha' }, { tool: 'beta' }]);
    close();
  });

  it('editing a definition approves nothing that waits, and what is new under it is agreed to', async () => {
    const { catalog, pins, close } = open(folder);
    catalog.setDefinitions([definition('0')]);
    const record = (...tools: ListedTool[]) => catalog.record('s', { identity, tools, problems: [] });
    record(tool('alpha', 1), tool('beta', 1));
    record(tool('alpha', 2), tool('beta', 1));
    catalog.setDefinitions([definition('1')]);
    expect(await found(catalog)).toEqual(['beta']);
    record(tool('alpha', 2), tool('beta', 2), tool('gamma', 1));
    expect(await found(catalog)).toEqual(['beta', 'gamma']);
    expect(new ToolPinRows(pins).waiting()).toMatchObject([{ tool: 'alpha', offered: tool('alpha', 2) }]);
    close();
  });

  it.each([
    ['title', { title: 'Another' }],
    ['an argument', { inputSchema: { type: 'object', properties: { context: { type: 'string' } } } }],
    ['the result', { outputSchema: { type: 'object' } }],
    ['a hint', { annotations: { readOnlyHint: true } }],
    ['a field of revisions to come', { instructions: 'x' }],
  ])('%s counts as a change; what is for programs alone does not', (_name, change) => {
    const { catalog, close } = open(folder);
    catalog.setDefinitions([definition('0')]);
    const record = (one: ListedTool) => catalog.record('s', { identity, tools: [one], problems: [] });
    record(tool('alpha', 1));
    record({ ...tool('alpha', 1), _meta: { at: 1 }, icons: [], execution: { taskSupport: 'optional' } });
    expect(catalog.tool('s', 'alpha')).toBeDefined();
    record({ ...tool('alpha', 1), ...change });
    expect(catalog.tool('s', 'alpha')).toBeUndefined();
    close();
  });

  it('PIN_TOOLS=off takes every tool as it comes', () => {
    const { catalog, close } = open(folder, { pinTools: false });
    catalog.setDefinitions([definition('0')]);
    catalog.record('s', { identity, tools: [tool('alpha', 1)], problems: [] });
    catalog.record('s', { identity, tools: [tool('alpha', 2)], problems: [] });
    expect(catalog.tool('s', 'alpha')?.description).toContain('version 2');
    close();
  });

  it('who cannot read what was approved uses nothing, and says so', async () => {
    const first = open(folder);
    first.catalog.setDefinitions([definition('0')]);
    first.catalog.record('s', { identity, tools: [tool('alpha', 1)], problems: [] });
    first.close();
    rmSync(join(folder, 'pins.db-wal'), { force: true });
    writeFileSync(join(folder, 'pins.db'), 'damaged');
    const { catalog, approvals, close } = open(folder);
    catalog.setDefinitions([definition('0')]);
    expect(await found(catalog)).toEqual([]);
    expect(catalog.toolNotFound('s', 'alpha').code).toBe('STORAGE_FAILED');
    expect(approvals.problem).toContain('pins.db');
    close();
  });
});

describe('servers of an index', () => {
  const indexed = (...tools: ListedTool[]): IndexedDefinition => ({
    ...base,
    name: 's',
    transport: 'index',
    source: 'index',
    index: 'http://index',
    told: {
      title: undefined,
      summary: undefined,
      capabilities: [],
      limitations: [],
      tools,
      problems: [],
      stale: undefined,
      since: 1,
      toolsHash: JSON.stringify(tools),
    },
  });

  it('by first use they are found; once their own list was agreed to, what the index tells counts no more', async () => {
    const { catalog, close } = open(folder);
    catalog.setDefinitions([indexed(tool('alpha', 1))]);
    expect(await found(catalog)).toEqual(['alpha']);
    catalog.setDefinitions([indexed(tool('alpha', 2))]);
    expect(catalog.tool('s', 'alpha')?.description).toContain('version 2');
    catalog.record('s', { identity, tools: [tool('beta', 1)], problems: [] });
    expect(await found(catalog)).toEqual(['beta']);
    catalog.setDefinitions([indexed(tool('beta', 2), tool('gamma', 1))]);
    expect(await found(catalog)).toEqual(['beta']);
    expect(catalog.tool('s', 'beta')?.description).toContain('version 1');
    close();
  });

  it('DISCOVERY_TRUST=ask: nothing of them is found before a person approved the server, nor after that was taken back', async () => {
    const { catalog, pins, close } = open(folder, { trust: 'ask' });
    catalog.setDefinitions([indexed(tool('alpha', 1))]);
    expect(await found(catalog)).toEqual([]);
    expect(catalog.toolNotFound('s', 'alpha').message).toContain('nobody has approved the server');
    catalog.reconsider();
    const elsewhere = new PinDb(join(folder, 'pins.db'));
    const definitions = new DefinitionPins(elsewhere);
    definitions.propose('http://index', 's', { command: 'npx', args: ['x'] });
    catalog.reconsider();
    expect(await found(catalog)).toEqual([]);
    definitions.approve('http://index', 's', { command: 'npx', args: ['x'] });
    expect(catalog.reconsider()).toEqual(['s']);
    expect(await found(catalog)).toEqual(['alpha']);
    expect(definitions.revoke('http://index', 's')).toBe(true);
    catalog.reconsider();
    expect(await found(catalog)).toEqual([]);
    expect(definitions.waiting()).toMatchObject([{ server: 's', proposed: { command: 'npx' } }]);
    elsewhere.close();
    expect(pins.path).toContain('pins.db');
    close();
  });

  it('IDX-03: of two engines that use a server first at once, both are held to what the faster one was told', () => {
    const dbs = [new PinDb(join(folder, 'pins.db')), new PinDb(join(folder, 'pins.db'))];
    const [one, other] = dbs.map((db) => new DefinitionPins(db));
    const good = { command: 'npx', args: ['good'] };
    expect(other?.get('http://index', 's')).toBeUndefined();
    expect(one?.first('http://index', 's', good).approved).toEqual(good);
    expect(other?.first('http://index', 's', { command: 'npx', args: ['evil'] }).approved).toEqual(good);
    one?.revoke('http://index', 's');
    expect(other?.first('http://index', 's', good).approved).toBeUndefined();
    for (const db of dbs) db.close();
  });

  it('what is approved right after the start, before anybody looked for changes, is not missed', async () => {
    const { catalog, close } = open(folder, { trust: 'ask' });
    catalog.setDefinitions([indexed(tool('alpha', 1))]);
    expect(await found(catalog)).toEqual([]);
    const elsewhere = new PinDb(join(folder, 'pins.db'));
    new DefinitionPins(elsewhere).approve('http://index', 's', { command: 'npx', args: ['x'] });
    elsewhere.close();
    expect(catalog.reconsider()).toEqual(['s']);
    expect(await found(catalog)).toEqual(['alpha']);
    close();
  });
});
