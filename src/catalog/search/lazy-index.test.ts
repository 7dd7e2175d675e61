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

  it('does not leave many tools to a search', () => {
    const { index, made } = counted();
    const docs = Array.from({ length: 301 }, (_, n) => doc('many', `tool_${n}`, 'Does something'));
    index.replaceServer('many', docs.slice(0, 300));
    expect(made()).toBe(0);
    index.replaceServer('many', docs);
    expect([index.size, made()]).toEqual([301, 1]);
  });
});
