import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContentManager, type ContentOptions } from './content-manager.js';

const notFound = expect.objectContaining({ code: 'CONTENT_NOT_FOUND' });
const failed = expect.objectContaining({ code: 'STORAGE_FAILED' });
const refused = expect.objectContaining({ code: 'INVALID_ARGUMENTS' });

describe('ContentManager', () => {
  let home = '';
  let directory = '';
  let now = 1_000_000;
  const opened: ContentManager[] = [];

  const open = async (options: Partial<ContentOptions> = {}) => {
    const content = await ContentManager.open({ directory, clock: () => now, ...options });
    opened.push(content);
    return content;
  };
  const text = (value: string) => ({ kind: 'text' as const, mimeType: 'text/plain', data: value });

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'mcprt-content-'));
    directory = join(home, 'content');
    now = 1_000_000;
  });
  afterEach(() => {
    for (const content of opened.splice(0)) content.close();
    rmSync(home, { recursive: true, force: true });
  });

  it('gives back what was put, also after a restart', async () => {
    const first = await open();
    const ref = await first.put('ann', text('grüße\n😀'));
    expect(ref).toMatchObject({
      principal: 'ann',
      bytes: 12,
      createdAt: now,
      expiresAt: now + 24 * 3_600_000,
    });
    first.close();
    const again = await open();
    expect(await again.read('ann', ref.id)).toMatchObject({ text: 'grüße\n😀', kind: 'text', ref: ref.id });
    expect(again.info('ann', ref.id)).toEqual(ref);
    expect(again.statistics()).toMatchObject({ items: 1, bytes: 12 });
    expect(again.statistics('bob')).toMatchObject({ items: 0, bytes: 0 });
  });

  it('keeps a stream and media, and gives media as base64', async () => {
    const content = await open();
    const stream = (async function* () {
      for (let part = 0; part < 100; part += 1) yield Buffer.from(`part ${part}\n`);
    })();
    const streamed = await content.put('ann', { kind: 'text', mimeType: 'text/plain', data: stream });
    expect((await content.read('ann', streamed.id, { lines: '100' })).text).toBe('part 99\n');
    const image = await content.put('ann', {
      kind: 'image',
      mimeType: 'image/png',
      data: Buffer.from([1, 2, 3]),
    });
    expect(await content.read('ann', image.id)).toMatchObject({ data: 'AQID', mimeType: 'image/png' });
    await expect(content.read('ann', image.id, { lines: '1' })).rejects.toEqual(refused);
  });

  it('keeps the same bytes of one owner once, and those of another apart', async () => {
    const content = await open();
    const first = await content.put('ann', text('same'));
    now += 5000;
    const second = await content.put('ann', text('same'));
    expect(second.id).toBe(first.id);
    expect(second.expiresAt).toBe(first.expiresAt + 5000);
    expect((await content.put('bob', text('same'))).id).not.toBe(first.id);
    writeFileSync(join(directory, first.id), 'evil');
    const third = await content.put('ann', text('same'));
    expect(third.id).not.toBe(first.id);
    expect((await content.read('ann', third.id)).text).toBe('same');
  });

  it('STO-01: only a lower-case UUID v4 is looked up, to read and to delete; all else is the same error', async () => {
    const content = await open();
    const ref = await content.put('ann', text('mine'));
    const canary = join(home, 'canary');
    writeFileSync(canary, 'canary');
    const upper = ref.id.toUpperCase();
    const bad: unknown[] = [
      '../canary',
      '..%2fcanary',
      canary,
      'C:\\canary',
      `${ref.id}\0`,
      `${ref.id}\n`,
      'x'.repeat(5000),
      '..\u2215canary',
      'CON',
      upper === ref.id ? 'A' : upper,
      'content.db',
      `${ref.id}/../../canary`,
      [ref.id],
      { id: ref.id },
      null,
      undefined,
      7,
      ref.id.slice(0, 35),
      '',
      '00000000-0000-0000-0000-000000000000',
      randomUUID(),
    ];
    const messages = new Set<string>();
    for (const id of bad) {
      await expect(content.read('ann', id)).rejects.toEqual(notFound);
      await expect((async () => content.delete('ann', id))()).rejects.toEqual(notFound);
      const error = await content.read('ann', id).catch((thrown: Error) => thrown);
      messages.add((error as Error).message.replace(/ ".*"/, ''));
    }
    expect([...messages]).toEqual(['No content is kept under the reference.']);
    expect(readFileSync(canary, 'utf8')).toBe('canary');
    expect((await content.read('ann', ref.id)).text).toBe('mine');
  });

  it('STO-02: foreign, unknown and expired references are the same error, which says how long content is kept', async () => {
    const content = await open({ ttlMs: 7_200_000 });
    const ref = await content.put('ann', text('mine'));
    const hint = expect.objectContaining({
      code: 'CONTENT_NOT_FOUND',
      hint: expect.stringContaining('2 hours'),
    });
    await expect(content.read('bob', ref.id)).rejects.toEqual(hint);
    expect(() => content.info('bob', ref.id)).toThrow(notFound);
    await expect((async () => content.delete('bob', ref.id))()).rejects.toEqual(notFound);
    await expect(content.read('ann', randomUUID())).rejects.toEqual(hint);
    now += 7_200_000;
    await expect(content.read('ann', ref.id)).rejects.toEqual(hint);
    content.close();
    await open();
    expect(existsSync(join(directory, ref.id))).toBe(false);
  });

  it('STO-04: a flipped, cut or replaced file is an error, is never followed and never waited for', async () => {
    const content = await open();
    const secret = join(home, 'secret');
    writeFileSync(secret, 'some text');
    const plant: Record<string, (path: string) => void> = {
      flipped: (path) => writeFileSync(path, 'sOme text'),
      cut: (path) => truncateSync(path, 3),
      empty: (path) => truncateSync(path, 0),
      longer: (path) => writeFileSync(path, 'some text and more'),
      link: (path) => {
        unlinkSync(path);
        symlinkSync(secret, path);
      },
      fifo: (path) => {
        unlinkSync(path);
        execFileSync('mkfifo', [path]);
      },
      directory: (path) => {
        unlinkSync(path);
        mkdirSync(path);
      },
      device: (path) => {
        unlinkSync(path);
        symlinkSync('/dev/zero', path);
      },
    };
    for (const [name, change] of Object.entries(plant)) {
      const ref = await content.put(name, text('some text'));
      expect((await content.read(name, ref.id)).text).toBe('some text');
      change(join(directory, ref.id));
      await expect(content.read(name, ref.id), name).rejects.toEqual(failed);
      await expect(content.read(name, ref.id, { chunkIndex: 0 }), name).rejects.toEqual(failed);
    }
    const foreign = await content.put('hard', text('some text'));
    unlinkSync(join(directory, foreign.id));
    writeFileSync(join(home, 'other'), 'other stuff!');
    linkSync(join(home, 'other'), join(directory, foreign.id));
    await expect(content.read('hard', foreign.id)).rejects.toEqual(failed);
    const gone = await content.put('gone', text('some text'));
    unlinkSync(join(directory, gone.id));
    await expect(content.read('gone', gone.id)).rejects.toEqual(notFound);
  });

  it.skipIf(process.getuid?.() === 0)('STO-04: a file without permission is a storage error', async () => {
    const content = await open();
    const ref = await content.put('ann', text('some text'));
    chmodSync(join(directory, ref.id), 0);
    await expect(content.read('ann', ref.id)).rejects.toEqual(failed);
  });

  it('STO-05: leftovers of a crash are swept at start, and nothing that is not ours', async () => {
    const content = await open();
    const ref = await content.put('ann', text('kept'));
    content.close();
    writeFileSync(join(directory, `.${randomUUID()}.partial`), 'half');
    const orphan = randomUUID();
    writeFileSync(join(directory, orphan), 'no row');
    writeFileSync(join(directory, 'notes.txt'), 'of the user');
    const again = await open();
    const names = readdirSync(directory);
    expect(names.filter((name) => name.endsWith('.partial'))).toEqual([]);
    expect(names).not.toContain(orphan);
    expect(names).toContain('notes.txt');
    expect((await again.read('ann', ref.id)).text).toBe('kept');
  });

  it('STO-05: 200 writers, readers and the sweep at once: each reads exactly its own', async () => {
    const content = await open();
    await Promise.all(
      Array.from({ length: 200 }, async (_, writer) => {
        const value = `writer ${writer}\n`.repeat(50);
        const ref = await content.put('ann', text(value));
        expect((await content.read('ann', ref.id)).text).toBe(value);
        if (writer % 3 === 0) await content.delete('ann', ref.id);
      }),
    );
    expect(content.statistics().items).toBe(133);
    expect(readdirSync(directory).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  it('STO-06: files are 0600 in a 0700 directory whatever the umask', async () => {
    const before = process.umask(0);
    try {
      const content = await open();
      const ref = await content.put('ann', text('private'));
      expect(statSync(directory).mode & 0o777).toBe(0o700);
      expect(statSync(join(directory, ref.id)).mode & 0o777).toBe(0o600);
      expect(statSync(join(directory, 'content.db')).mode & 0o777).toBe(0o600);
    } finally {
      process.umask(before);
    }
  });

  it('STO-06: the quota evicts the oldest that no task needs, never what is younger than promised', async () => {
    const content = await open({ quotaBytes: 3000, minKeepMs: 1000 });
    const put = (name: string, keepUntil?: number) =>
      content.put('ann', { ...text(name.repeat(1000)), keepUntil });
    const pinned = await put('p', now + 1_000_000);
    now += 10;
    const oldest = await put('a');
    now += 10;
    const newer = await put('b');
    await expect(put('c')).rejects.toEqual(failed);
    now += 1005;
    const latest = await put('c');
    await expect(content.read('ann', oldest.id)).rejects.toEqual(notFound);
    for (const ref of [pinned, newer, latest])
      expect((await content.read('ann', ref.id)).text).toHaveLength(1000);
    expect(content.statistics()).toEqual({ items: 3, bytes: 3000, quotaBytes: 3000 });
    await expect(content.put('ann', text('x'.repeat(3001)))).rejects.toEqual(failed);
    const endless = (async function* () {
      for (;;) yield Buffer.alloc(500);
    })();
    await expect(content.put('ann', { kind: 'binary', mimeType: 'x/y', data: endless })).rejects.toEqual(
      failed,
    );
    expect(readdirSync(directory).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  it('STO-06: chunk indexes that are none are refused with the valid range', async () => {
    const content = await open({ maxResultTokens: 256 });
    const original = 'Ünïcödé text with 😀 in it.\n'.repeat(500);
    const { id } = await content.put('ann', text(original));
    const first = await content.read('ann', id, { chunkIndex: 0 });
    const total = first.chunk?.total ?? 0;
    expect(first.next).toBe(`get_content(ref_id="${id}", chunk_index=1) goes on.`);
    let joined = '';
    for (let index = 0; index < total; index += 1)
      joined += (await content.read('ann', id, { chunkIndex: index })).text;
    expect(joined).toBe(original);
    for (const chunkIndex of [-1, 1.5, Number.NaN, 1e18, total, Number.POSITIVE_INFINITY]) {
      const range = expect.objectContaining({ message: expect.stringContaining(`from 0 to ${total - 1}`) });
      await expect(content.read('ann', id, { chunkIndex })).rejects.toEqual(range);
    }
  });

  it('refuses a whole text of more than 4 MiB and says how to read parts', async () => {
    const content = await open();
    const { id } = await content.put('ann', text('0123456789abcde\n'.repeat(300_000)));
    const how = expect.objectContaining({
      code: 'INVALID_ARGUMENTS',
      hint: expect.stringContaining('chunk_index=0'),
    });
    await expect(content.read('ann', id)).rejects.toEqual(how);
    expect((await content.read('ann', id, { lines: '299999-300000' })).text).toBe(
      '0123456789abcde\n'.repeat(2),
    );
  });
});
