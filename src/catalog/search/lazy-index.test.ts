import { describe, expect, it } from 'vitest';
import type { ToolDocument } from './document.js';
import { lazyIndex } from './lazy-index.js';
import { createSearchIndex } from './search-index.js';

const doc = (server: string, tool: string, description: string): ToolDocument => ({
  server,
  tool,
  description,
});
const options = { limit: 10, minScore: 0 };

function counted() {
  let made = 0;
  const index = lazyIndex(() => {
    made += 1;
    return createSearchIndex(undefined);
  });
  return { index, made: () => made };
}

describe('an index made at its first search', () => {
  it('knows what came and went before, and is made once', () => {
    const { index, made } = counted();
    index.replaceServer('files', [doc('files', 'read_file', 'Reads a file'), doc('files', 'old', 'Gone')]);
    index.replaceServer('files', [doc('files', 'read_file', 'Reads a file')]);
    index.replaceServer('mail', [doc('mail', 'send', 'Sends a mail')]);
    index.replaceServer('maps', [doc('maps', 'route', 'Finds a way')]);
    index.removeServer('maps');
    index.removeServer('never was');
    expect([index.size, made()]).toEqual([2, 0]);
    expect(index.search('read a file', options).hits[0]).toMatchObject({
      server: 'files',
      tool: 'read_file',
    });
    expect(index.searchServers('find a way', options).hits.map(({ server }) => server)).not.toContain('maps');
    expect([index.size, made()]).toEqual([2, 1]);
    index.replaceServer('mail', []);
    index.removeServer('files');
    expect([index.size, made()]).toEqual([0, 1]);
  });

  const many = (count: number, word = 'something') =>
    Array.from({ length: count }, (_, n) => doc('many', `tool_${n}`, `Does ${word}`));

  it('does not leave many tools to a search', async () => {
    const { index, made } = counted();
    index.replaceServer('many', many(300));
    expect(made()).toBe(0);
    index.replaceServer('many', many(301));
    expect(made()).toBe(1);
    await index.settled();
    expect(index.size).toBe(301);
  });

  it('reads a long list piece by piece: others have their turns, and the last list counts', async () => {
    let read = 0;
    const index = lazyIndex(
      () => createSearchIndex(undefined),
      () => {
        read += 1;
      },
    );
    index.replaceServer('many', many(5_000, 'nothing'));
    index.replaceServer('many', many(5_000));
    index.replaceServer('gone', many(5_000, 'harm'));
    index.removeServer('gone');
    expect([index.unread, index.settled()]).toEqual([1, expect.any(Promise)]);
    let turns = 0;
    for (; index.unread > 0; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(turns).toBeGreaterThan(5);
    expect([index.size, read, index.settled()]).toEqual([5_000, 1, undefined]);
    expect(index.search('something', options).hits).toHaveLength(10);
    expect(index.search('harm', options).hits).toEqual([]);
  });
});
