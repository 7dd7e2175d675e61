import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from './sqlite.js';

describe('openDatabase', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'mcprt-sqlite-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('keeps rows, closes the file to others, and gives plain rows', () => {
    const path = join(dir, 'a.db');
    const db = openDatabase(path, 'x', ['CREATE TABLE t (a INTEGER, b BLOB); CREATE INDEX ti ON t (a)']);
    expect(db.run('INSERT INTO t VALUES (?, ?)', 1, new Uint8Array([1, 2]))).toBe(1);
    db.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const again = openDatabase(path, 'x', [
      'CREATE TABLE t (a INTEGER, b BLOB); CREATE INDEX ti ON t (a)',
      'ALTER TABLE t ADD COLUMN c TEXT',
    ]);
    expect(Object.keys(again.get('SELECT * FROM t') ?? {})).toEqual(['a', 'b', 'c']);
    again.close();
  });

  it('undoes a transaction that throws', () => {
    const db = openDatabase(join(dir, 'a.db'), 'x', ['CREATE TABLE t (a INTEGER)']);
    expect(() =>
      db.transaction(() => {
        db.run('INSERT INTO t VALUES (1)');
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(db.all('SELECT * FROM t')).toEqual([]);
    db.close();
  });

  it('flushes its log when asked, and has none to flush in memory', async () => {
    const path = join(dir, 'a.db');
    const db = openDatabase(path, 'x', ['CREATE TABLE t (a INTEGER)'], { flush: 'asked' });
    expect(db.get('PRAGMA synchronous')).toEqual({ synchronous: 1 });
    db.run('INSERT INTO t VALUES (1)');
    await db.flushed();
    rmSync(`${path}-wal`);
    await expect(db.flushed()).rejects.toThrow('ENOENT');
    db.close();
    const inMemory = openDatabase(':memory:', 'x', ['CREATE TABLE t (a INTEGER)'], { flush: 'asked' });
    expect(inMemory.get('PRAGMA synchronous')).toEqual({ synchronous: 2 });
    inMemory.run('INSERT INTO t VALUES (1)');
    await inMemory.flushed();
    inMemory.close();
  });

  it('keeps the versions of two owners apart and refuses what a newer version wrote', () => {
    const path = join(dir, 'a.db');
    openDatabase(path, 'one', ['CREATE TABLE one (a)', 'CREATE TABLE one2 (a)']).close();
    openDatabase(path, 'two', ['CREATE TABLE two (a)']).close();
    expect(() => openDatabase(path, 'one', ['CREATE TABLE one (a)'])).toThrow(/newer version/);
  });

  it('says what is wrong with a file that is no database', () => {
    const path = join(dir, 'bad.db');
    writeFileSync(path, 'this is no database, however long it is made to be. '.repeat(100));
    expect(() => openDatabase(path, 'x', [])).toThrow(expect.objectContaining({ code: 'STORAGE_FAILED' }));
  });
});
