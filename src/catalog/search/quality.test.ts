import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ToolDocument } from './document.js';
import { createSearchIndex } from './search-index.js';
import { loadStaticEmbedder } from './static-table.js';

interface DataSet {
  readonly servers: readonly { name: string; description: string }[];
  readonly tools: readonly { server: string; name: string; description: string; inputSchema: unknown }[];
  readonly queries: readonly { text: string; relevant: readonly { server: string; tool: string }[] }[];
}

const file = new URL('../../../test/fixtures/search/own.json', import.meta.url);
const set = JSON.parse(readFileSync(file, 'utf8')) as DataSet;

// A floor and not a goal: it is there so that a change that harms search cannot pass unseen.
test('plain wishes find the right tool: 17 of 20 within five, 3 of 5 at once', () => {
  const index = createSearchIndex(loadStaticEmbedder());
  for (const { name, description } of set.servers) {
    const docs = set.tools
      .filter(({ server }) => server === name)
      .map((tool): ToolDocument => ({ ...tool, tool: tool.name, serverText: description }));
    index.replaceServer(name, docs);
  }
  const places = set.queries.map(({ text, relevant }) => {
    const { hits } = index.search(text, { limit: 10, minScore: 0.3 });
    return hits.findIndex((hit) =>
      relevant.some(({ server, tool }) => hit.server === server && hit.tool === tool),
    );
  });
  const within = (k: number): number =>
    places.filter((place) => place >= 0 && place < k).length / places.length;
  expect(within(5)).toBeGreaterThan(0.85);
  expect(within(1)).toBeGreaterThan(0.6);
});
