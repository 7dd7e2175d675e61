import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLogger } from '../lib/log.js';
import { ContentStore } from './store.js';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcprt-flush-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const text = (data: string) => ({ kind: 'text' as const, mimeType: 'text/plain', data });

async function* pieces(of: string) {
  yield Buffer.from(of);
}

it('gives no reference away that the disk did not take, and keeps nothing of it', async () => {
  const database = join(directory, 'content.db');
  const store = await ContentStore.open({
    directory: join(directory, 'files'),
    database,
    ttlMs: 60_000,
    quotaBytes: 1_000_000,
    minKeepMs: 0,
    clock: Date.now,
    logger: silentLogger,
  });
  const kept = await store.put('ann', text('kept'));
  rmSync(`${database}-wal`);
  const failed = expect.objectContaining({ code: 'STORAGE_FAILED' });
  await expect(store.put('ann', text('whole'))).rejects.toEqual(failed);
  await expect(store.put('ann', { ...text(''), data: pieces('in pieces') })).rejects.toEqual(failed);
  await expect(store.put('ann', text('kept'))).rejects.toEqual(failed);
  expect(store.totals()).toEqual({ items: 1, bytes: 4 });
  expect(readdirSync(join(directory, 'files'))).toEqual([kept.id]);
  store.close();
});
