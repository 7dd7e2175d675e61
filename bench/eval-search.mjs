// Measures retrieval through the project's own index, in one run and one table.
//
//   node bench/eval-search.mjs [--data DIR] [--json] [--methods lexical,dense,hybrid,local]
//
// DIR holds data sets: {name, servers: [{name, title?, description?}], tools: [{server, name, description,
// inputSchema}], queries: [{id, text, mode?, relevant: [{server, tool, grade?}]}]}. Files with tools and no queries are
// parts of a corpus: a set without tools is measured over the parts whose names begin like its own (up to the dash).
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  createSearchIndex,
  loadLocalModel,
  loadStaticEmbedder,
  withModel,
} from '../dist/catalog/search/index.js';

const OWN = new URL('../test/fixtures/search', import.meta.url).pathname;
const DEPTH = 10;

export function readSets(folder) {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
  const list = (value) => (Array.isArray(value) ? value : []);
  return files
    .filter((file) => list(file.queries).length > 0)
    .map((file) => {
      const parts =
        list(file.tools).length > 0
          ? [file]
          : files.filter(
              (part) =>
                list(part.queries).length === 0 && part.name.split('-')[0] === file.name.split('-')[0],
            );
      return {
        name: file.name,
        queries: file.queries,
        tools: parts.flatMap((part) => list(part.tools)),
        servers: parts.flatMap((part) => list(part.servers)),
      };
    });
}

export function fill(index, { tools, servers }) {
  const texts = new Map(
    servers.map((server) => [server.name, [server.title, server.description].filter(Boolean).join('. ')]),
  );
  const byServer = new Map();
  for (const tool of tools) {
    const serverText = texts.get(tool.server);
    const doc = {
      server: tool.server,
      tool: tool.name,
      description: tool.description ?? '',
      inputSchema: tool.inputSchema,
    };
    if (serverText) doc.serverText = serverText;
    byServer.set(tool.server, [...(byServer.get(tool.server) ?? []), doc]);
  }
  for (const [server, docs] of byServer) index.replaceServer(server, docs);
  return index;
}

/** Share of each query's servers among the first five of `searchServers`. */
export function measureServers(queries, index) {
  let sum = 0;
  for (const query of queries) {
    const wanted = new Set(query.relevant.map(({ server }) => server));
    const hits = index.searchServers(query.text, { limit: 5, minScore: 0 }).hits;
    const found = hits.filter(({ server }) => wanted.has(server)).length;
    sum += query.mode === 'any' ? Number(found > 0) : found / wanted.size;
  }
  return Math.round((10_000 * sum) / queries.length) / 100;
}

export async function measure(queries, answer) {
  const sums = { r1: 0, r5: 0, r10: 0, hit1: 0, hit5: 0, ndcg10: 0, mrr: 0 };
  for (const query of queries) {
    const grades = new Map();
    for (const { server, tool, grade } of query.relevant) grades.set(`${server}\u0000${tool}`, grade ?? 1);
    const hits = await answer(query.text);
    let gains = hits.map((hit) => grades.get(`${hit.server}\u0000${hit.tool}`) ?? 0);
    const found = (k) => gains.slice(0, k).filter((gain) => gain > 0).length;
    const recall = (k) => (query.mode === 'any' ? Number(found(k) > 0) : found(k) / grades.size);
    sums.r1 += recall(1);
    sums.r5 += recall(5);
    sums.r10 += recall(10);
    sums.hit1 += Number(found(1) > 0);
    sums.hit5 += Number(found(5) > 0);
    const first = gains.findIndex((gain) => gain > 0);
    sums.mrr += first < 0 ? 0 : 1 / (first + 1);
    // Where any tool will do, further ones add nothing.
    if (query.mode === 'any') gains = gains.map((gain, i) => (i === first ? gain : 0));
    const discounted = (list) => list.reduce((sum, gain, i) => sum + (2 ** gain - 1) / Math.log2(i + 2), 0);
    const ideal = [...grades.values()].sort((a, b) => b - a).slice(0, DEPTH);
    sums.ndcg10 +=
      discounted(gains.slice(0, DEPTH)) / discounted(query.mode === 'any' ? ideal.slice(0, 1) : ideal);
  }
  const round = (value) => Math.round((10_000 * value) / queries.length) / 100;
  return {
    ...Object.fromEntries(Object.entries(sums).map(([key, value]) => [key, round(value)])),
    queries: queries.length,
  };
}

async function main() {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      json: { type: 'boolean', default: false },
      methods: { type: 'string' },
    },
  });
  const folder = values.data ?? OWN;
  if (!existsSync(folder)) throw new Error(`no folder ${folder}: name one with --data DIR`);
  const model = await loadLocalModel().catch(() => undefined);
  const possible = ['lexical', 'dense', 'hybrid', ...(model ? ['local'] : [])];
  const methods = possible.filter(
    (method) => values.methods === undefined || values.methods.split(',').includes(method),
  );
  const embedder = loadStaticEmbedder();
  const results = {};
  const servers = {};
  for (const set of readSets(folder)) {
    const index = fill(createSearchIndex(embedder), set);
    const options = { limit: DEPTH, minScore: 0 };
    const row = {};
    for (const method of methods) {
      if (method === 'local') {
        const search = withModel(index, model, 60_000);
        await search.read(Number.POSITIVE_INFINITY);
        row[method] = await measure(set.queries, async (text) => (await search.search(text, options)).hits);
      } else {
        row[method] = await measure(set.queries, (text) => index.search(text, { ...options, method }).hits);
      }
    }
    results[set.name] = row;
    if (!values.json && set.servers.length > 1) servers[set.name] = measureServers(set.queries, index);
  }
  await model?.close();
  if (values.json) console.log(JSON.stringify(results));
  else {
    print(results);
    console.log('\nservers            R@5');
    for (const [set, value] of Object.entries(servers)) console.log(`${set.padEnd(18)} ${value}`);
  }
}

function print(results) {
  const columns = ['r1', 'r5', 'r10', 'hit1', 'hit5', 'ndcg10', 'mrr', 'queries'];
  console.log(['set'.padEnd(18), 'method'.padEnd(8), ...columns.map((name) => name.padStart(7))].join(' '));
  const means = {};
  for (const [set, methods] of Object.entries(results))
    for (const [method, row] of Object.entries(methods)) {
      console.log(
        [set.padEnd(18), method.padEnd(8), ...columns.map((name) => String(row[name]).padStart(7))].join(' '),
      );
      means[method] ??= [];
      means[method].push(row);
    }
  for (const [method, rows] of Object.entries(means)) {
    const mean = (name) => (rows.reduce((sum, row) => sum + row[name], 0) / rows.length).toFixed(1);
    console.log(
      [
        'mean'.padEnd(18),
        method.padEnd(8),
        ...columns.slice(0, -1).map((name) => mean(name).padStart(7)),
      ].join(' '),
    );
  }
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').at(-1)))
  await main();
