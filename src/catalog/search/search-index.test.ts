import { describe, expect, test } from 'vitest';
import { withModel } from './background.js';
import type { ToolDocument } from './document.js';
import { createSearchIndex, type SearchIndex } from './search-index.js';
import { loadStaticEmbedder } from './static-table.js';

const embedder = loadStaticEmbedder();
const ALL = { limit: 10, minScore: 0 };
const USUAL = { limit: 10, minScore: 0.3 };

const tools = (server: string, ...list: [tool: string, description: string][]): ToolDocument[] =>
  list.map(([tool, description]) => ({ server, tool, description }));

function sample(index: SearchIndex = createSearchIndex(embedder)): SearchIndex {
  index.replaceServer(
    'files',
    tools(
      'files',
      ['read_file', 'Reads the contents of a file.'],
      ['write_file', 'Writes text to a file.'],
      ['list_directory', 'Lists the files in a folder.'],
    ),
  );
  index.replaceServer('weather', tools('weather', ['get_forecast', 'Weather forecast for a place.']));
  index.replaceServer(
    'mail',
    tools('mail', ['send_email', 'Sends an e-mail.'], ['search_inbox', 'Searches received messages.']),
  );
  return index;
}

const names = (index: SearchIndex, query: string, options = ALL): string[] =>
  index.search(query, options).hits.map(({ server, tool }) => `${server}/${tool}`);

describe('what is found', () => {
  test('by meaning, without a shared word', () => {
    expect(names(sample(), 'will it rain tomorrow')[0]).toBe('weather/get_forecast');
    expect(names(sample(), 'what is inside this document')[0]).toBe('files/read_file');
  });

  test('by words alone and by meaning alone', () => {
    expect(sample().search('forecast', { ...ALL, method: 'lexical' }).hits[0]?.tool).toBe('get_forecast');
    expect(sample().search('rain and snow', { ...ALL, method: 'dense' }).hits[0]?.tool).toBe('get_forecast');
  });

  test('servers, by their tools', () => {
    expect(sample().searchServers('send a message to my boss', ALL).hits[0]?.server).toBe('mail');
  });

  test('what a person wrote as a hint, and parameter names', () => {
    const index = sample();
    index.replaceServer('x', [
      { server: 'x', tool: 'do_it', hints: ['zeppelin maintenance'] },
      { server: 'x', tool: 'other', inputSchema: { properties: { carburettor: { type: 'string' } } } },
    ]);
    expect(names(index, 'zeppelin maintenance')[0]).toBe('x/do_it');
    expect(names(index, 'carburettor')[0]).toBe('x/other');
  });
});

describe('scores', () => {
  test('a name is found by itself, however it is written', () => {
    for (const query of ['send_email', 'send email', 'sendEmail', 'mail send_email', 'mail/send_email']) {
      const [first] = sample().search(query, USUAL).hits;
      expect(first?.tool, query).toBe('send_email');
      expect(first?.score, query).toBeGreaterThan(0.95);
      expect(first?.score, query).toBeLessThanOrEqual(1);
    }
  });

  test('what is on the topic passes 0.3, nonsense and other topics do not', () => {
    for (const query of ['weather for Paris', 'read a file', 'search my mails']) {
      expect(names(sample(), query, USUAL), query).not.toEqual([]);
    }
    for (const query of [
      'asdf qwer',
      'medieval castle siege tactics',
      'knitting patterns',
      'remove wine stains from a carpet',
      'how do volcanoes erupt',
      'best hiking boots for wide feet',
      '???',
    ]) {
      expect(names(sample(), query, USUAL), query).toEqual([]);
    }
  });

  test('are in order and within the limit', () => {
    const { hits } = sample().search('file', { limit: 2, minScore: 0 });
    expect(hits).toHaveLength(2);
    expect(hits[0]?.score).toBeGreaterThanOrEqual(hits[1]?.score ?? 1);
  });
});

test('a filter is asked before the limit is counted', () => {
  const filter = (server: string) => server === 'mail';
  expect(names(sample(), 'read a file', { ...ALL, ...{ filter } } as typeof ALL)).not.toContain(
    'files/read_file',
  );
  expect(sample().search('read a file', { ...ALL, limit: 1, filter }).hits[0]?.server).toBe('mail');
});

describe('change', () => {
  test('a replaced server forgets its old tools, and ranks as if it had never had them', () => {
    const index = sample();
    index.replaceServer('mail', tools('mail', ['brew_coffee', 'Brews a cup of coffee.']));
    expect(names(index, 'send_email')).not.toContain('mail/send_email');
    expect(names(index, 'brew coffee')[0]).toBe('mail/brew_coffee');
    index.removeServer('mail');
    index.removeServer('never-known');
    expect(index.size).toBe(4);
    expect(names(index, 'brew coffee')).not.toContain('mail/brew_coffee');
  });

  test('thousands of replacements leave neither dead weight nor wrong answers', () => {
    const index = sample();
    for (let i = 0; i < 300; i++) {
      index.replaceServer(
        'churn',
        tools(
          'churn',
          ['spin', `Round number ${i}`],
          ['turn', 'Turns'],
          ['flip', 'Flips'],
          ['roll', 'Rolls'],
        ),
      );
    }
    expect(index.size).toBe(10);
    expect(names(index, 'spin round')[0]).toBe('churn/spin');
    const fresh = sample();
    fresh.replaceServer(
      'churn',
      tools('churn', ['spin', 'Round number 299'], ['turn', 'Turns'], ['flip', 'Flips'], ['roll', 'Rolls']),
    );
    const scores = (from: SearchIndex) =>
      Object.fromEntries(from.search('read files', ALL).hits.map((hit) => [hit.tool, hit.score.toFixed(5)]));
    expect(scores(index)).toEqual(scores(fresh));
  });
});

test('a server stuffed with keywords does not crowd out the others', () => {
  const index = createSearchIndex(embedder);
  const stuffing = 'weather forecast rain snow wind temperature climate best weather forecast tool';
  index.replaceServer(
    'stuffed',
    tools('stuffed', ...Array.from({ length: 30 }, (_, i): [string, string] => [`weather_${i}`, stuffing])),
  );
  for (let i = 0; i < 8; i++) {
    index.replaceServer(
      `meteo${i}`,
      tools(`meteo${i}`, ['get_forecast', 'Weather forecast for a city for the next days.']),
    );
  }
  const hits = names(index, 'weather forecast for Berlin');
  expect(hits.filter((name) => name.startsWith('stuffed/')).length).toBeLessThanOrEqual(4);
});

describe('hostile queries', () => {
  test.each([
    ['empty', ''],
    ['blank', ' \n\t '],
    ['a megabyte', 'weather, and '.repeat(80_000)],
    ['a megabyte without a space', 'x'.repeat(1_000_000)],
    ['right to left', 'קרא את הקובץ \u202e elif'],
    ['operators', '(.*)+$ [a-z]{9,} \\d+ AND OR NOT "*" ^'],
    ['NUL', 'read\u0000file'],
    ['lone surrogates', '\ud800\udc00\ud800'],
    ['prototype words', '__proto__ constructor hasOwnProperty toString'],
  ])('%s', (_, query) => {
    const { hits } = sample().search(query, USUAL);
    for (const { score } of hits) expect(score).toSatisfy((value: number) => value >= 0 && value <= 1);
    sample().searchServers(query, USUAL);
  });

  test('documents that are no documents', () => {
    const index = createSearchIndex(embedder);
    let deep: Record<string, unknown> = {};
    for (let i = 0; i < 5_000; i++) deep = { properties: { a: deep } };
    index.replaceServer('odd', [
      { server: 'odd', tool: '', description: '' },
      { server: 'odd', tool: 'big', description: 'x '.repeat(500_000) },
      { server: 'odd', tool: 'deep', inputSchema: deep },
      { server: 'odd', tool: 'text', inputSchema: 'string' },
      { server: 'odd', tool: 'list', inputSchema: { properties: [null, 7] } },
    ]);
    expect(index.size).toBe(5);
    expect(names(index, 'deep')[0]).toBe('odd/deep');
  });
});

describe('other embedders', () => {
  test('without any the words decide, and the answer says so', () => {
    const index = sample(createSearchIndex(undefined));
    const { hits, degraded } = index.search('weather forecast', USUAL);
    expect(hits[0]?.tool).toBe('get_forecast');
    expect(degraded).toBe(true);
    expect(index.searchServers('weather', USUAL).degraded).toBe(true);
  });

  // A model that sees one thing only: whether a text is about the moon, which the query calls otherwise.
  const moon = {
    id: 'moon-1',
    dimensions: 2,
    embed: async (texts: readonly string[]) =>
      texts.map((text) => (/^send email|luna/.test(text) ? Float32Array.of(1, 0) : Float32Array.of(0, 1))),
  };

  test('a model beside the table decides with it once it has read the tools', async () => {
    const search = withModel(sample(), moon);
    expect(await search.read(100)).toBe(6);
    expect(await search.read(100)).toBe(0);
    const { hits, degraded } = await search.search('luna', ALL);
    expect(degraded).toBe(false);
    expect(hits[0]?.tool).toBe('send_email');
  });

  test('a vector for a tool that was replaced meanwhile is dropped', () => {
    const index = sample();
    const pending = index.pending('moon-1', 100);
    index.replaceServer('mail', tools('mail', ['send_email', 'Sends.']));
    for (const text of pending) index.setVector(text, 'moon-1', Float32Array.of(1, 0));
    expect(index.pending('moon-1', 100)).toHaveLength(1);
  });

  test.each([
    ['fails', async () => Promise.reject(new Error('no model'))],
    ['never answers', () => new Promise<Float32Array[]>(() => undefined)],
    ['answers with nonsense', async () => [Float32Array.of(Number.NaN, 1)]],
    ['answers in other dimensions', async () => [Float32Array.of(1, 0, 0)]],
  ])('a model that %s leaves an answer marked degraded', async (_, embed) => {
    const { hits, degraded } = await withModel(sample(), { ...moon, embed }, 20).search('read a file', USUAL);
    expect(hits[0]?.tool).toBe('read_file');
    expect(degraded).toBe(true);
  });
});
