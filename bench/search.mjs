// How long the index takes to be ready, to learn and to answer, and what it holds in memory.
//
//   node --expose-gc bench/search.mjs [--tools 10000,50000]      or: npm run bench -- search
//
// Tools are made up from a seed: names and descriptions of real length over a vocabulary with a natural spread.
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createSearchIndex, loadStaticEmbedder } from '../dist/catalog/search/index.js';

let state = 11;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 4294967296;
};
const VERBS =
  'get list create update delete search send find read write convert fetch run stop check add remove'.split(
    ' ',
  );
const NOUNS =
  `file issue message channel user project branch commit invoice customer order product image video page
table query record note event calendar contact folder document report chart weather stock price route place flight
hotel recipe song playlist photo comment review ticket task board card label milestone release build pipeline
container cluster node secret key token account balance payment transaction wallet block`.split(/\s+/);
const MORE = Array.from(
  { length: 2_000 },
  (_, i) => `${NOUNS[i % NOUNS.length]}${'abcdefghij'[i % 10]}${'klmnopqrst'[(i >> 3) % 10]}`,
);
const pick = (list) => list[Math.floor(random() ** 2 * list.length)];
const words = (count) =>
  Array.from({ length: count }, () => (random() < 0.7 ? pick(NOUNS) : pick(MORE))).join(' ');

function server(i, size) {
  const name = `${pick(NOUNS)}-${i}`;
  return Array.from({ length: size }, (_, j) => ({
    server: name,
    tool: `${pick(VERBS)}_${pick(NOUNS)}_${j}`,
    description: `${pick(VERBS)} the ${words(3)} of a ${words(2)}. Use it when ${words(12)}.`,
    inputSchema: {
      properties: Object.fromEntries(
        [0, 1, 2, 3].map((k) => [`${pick(NOUNS)}_${k}`, { type: 'string', description: words(6) }]),
      ),
    },
    serverText: `Works with ${words(8)}`,
  }));
}
const quantile = (times, q) =>
  [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(q * times.length))].toFixed(2);
const megabytes = () => {
  globalThis.gc?.();
  return Math.round(process.memoryUsage().rss / 1e6);
};

/** Rows for the table; what a user waits for is the search. */
export async function run({ quick = false, tools = quick ? [10_000] : [10_000, 50_000] } = {}) {
  const rows = [];
  const row = (measure, ours, target = '') => rows.push({ measure, ours, target });
  const before = performance.now();
  const embedder = loadStaticEmbedder();
  const loaded = performance.now();
  const small = createSearchIndex(embedder);
  for (let i = 0; i < 20; i++) {
    const docs = server(i, 25);
    small.replaceServer(docs[0].server, docs);
  }
  small.search('find a file', { limit: 10, minScore: 0.3 });
  row('table loaded', `${(loaded - before).toFixed(0)} ms`);
  row('ready with 500 tools', `${(performance.now() - before).toFixed(0)} ms`);

  for (const total of tools) {
    const index = createSearchIndex(embedder);
    const servers = Array.from({ length: total / 25 }, (_, i) => server(i, 25));
    const start = performance.now();
    for (const docs of servers) index.replaceServer(docs[0].server, docs);
    const learnt = performance.now() - start;
    const times = { short: [], long: [], replace: [] };
    for (let i = 0; i < 400; i++) {
      const query = `${pick(VERBS)} ${words(1 + (i % 6))}`;
      const at = performance.now();
      index.search(query, { limit: 10, minScore: 0.3 });
      times.short.push(performance.now() - at);
      if (i % 4 > 0) continue;
      const wish = `${pick(VERBS)} ${words(8)}, then ${pick(VERBS)} ${words(8)} and ${pick(VERBS)} ${words(6)}`;
      const then = performance.now();
      index.search(wish, { limit: 10, minScore: 0.3 });
      times.long.push(performance.now() - then);
      const docs = servers[i % servers.length];
      const last = performance.now();
      index.replaceServer(docs[0].server, docs);
      times.replace.push(performance.now() - last);
    }
    row(`${total} tools: learnt, for each 1,000`, `${((1000 * learnt) / total).toFixed(0)} ms`);
    row(`${total} tools: resident`, `${megabytes()} MB`);
    for (const [name, list] of Object.entries(times))
      row(
        `${total} tools: ${NAMES[name]}, p50 / p95`,
        `${quantile(list, 0.5)} / ${quantile(list, 0.95)} ms`,
        total === 10_000 && name !== 'replace' ? '20 / 50 ms' : '',
      );
  }
  return rows;
}

const NAMES = { short: 'short query', long: 'long query', replace: 'a server learnt again' };

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { tools: { type: 'string', default: '10000,50000' } } });
  console.table(await run({ tools: values.tools.split(',').map(Number) }));
}
