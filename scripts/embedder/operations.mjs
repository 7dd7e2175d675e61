// Adds to the texts for the fit what public APIs say of their operations: the nearest thing to descriptions of tools
// that is not one. Run after corpus.mjs and once only: it writes behind the texts that are there.
//
//   node operations.mjs --out DIR --vocab TOKENIZER.json [--botocore DIR] [--google DIR] [--github FILE]
//
// DIR of botocore: its `data`; of Google: `discovery_cache/documents`; FILE: an OpenAPI document.
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { splitIdentifiers } from '../../dist/catalog/search/tokenize.js';
import { createWordPiece } from '../../dist/catalog/search/wordpiece.js';

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    vocab: { type: 'string' },
    botocore: { type: 'string' },
    google: { type: 'string' },
    github: { type: 'string' },
    most: { type: 'string', default: '100000' },
  },
});
const MOST_TOKENS = 62;
let state = 11;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const pick = (list) => list[Math.floor(random() * list.length)];

const seen = new Set();
const operations = [];
function operation(service, name, text, parameters) {
  const plain = text
    .replace(/<[^>]*>|\[([^\]]*)\]\([^)]*\)/g, ' $1 ')
    .replace(/https?:\/\/\S+|[`*]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const sentences = plain.split(/(?<=[.!?])\s+/);
  const key = `${name} ${sentences[0]}`.toLowerCase().replace(/[^a-z]+/g, '');
  if (sentences[0].length < 12 || seen.has(key)) return;
  seen.add(key);
  operations.push({
    service,
    name: splitIdentifiers(name),
    sentences,
    parameters: splitIdentifiers(parameters.join(' ')),
  });
}

if (values.botocore !== undefined)
  for (const service of readdirSync(values.botocore).sort()) {
    const versions = readdirSync(join(values.botocore, service)).sort();
    const folder = join(values.botocore, service, versions.at(-1));
    const file = readdirSync(folder).find((name) => name.startsWith('service-2.json'));
    if (file === undefined) continue;
    const bytes = readFileSync(join(folder, file));
    const model = JSON.parse(file.endsWith('.gz') ? gunzipSync(bytes) : bytes);
    for (const [name, one] of Object.entries(model.operations)) {
      const members = Object.keys(model.shapes[one.input?.shape]?.members ?? {});
      operation(model.metadata.serviceFullName, name, one.documentation ?? '', members);
    }
  }
if (values.google !== undefined)
  for (const file of readdirSync(values.google).sort().reverse()) {
    if (!file.endsWith('.json') || file === 'index.json') continue;
    const api = JSON.parse(readFileSync(join(values.google, file), 'utf8'));
    const visit = (holder) => {
      for (const one of Object.values(holder.methods ?? {})) {
        const name = one.id.split('.').slice(-2).join(' ');
        const parameters = Object.entries(one.parameters ?? {});
        operation(
          api.title ?? api.name,
          name,
          one.description ?? '',
          parameters.map(([key]) => key),
        );
      }
      for (const inner of Object.values(holder.resources ?? {})) visit(inner);
    };
    visit(api);
  }
if (values.github !== undefined)
  for (const path of Object.values(JSON.parse(readFileSync(values.github, 'utf8')).paths))
    for (const one of Object.values(path))
      if (one.operationId !== undefined)
        operation('GitHub', one.summary ?? '', `${one.summary}. ${one.description ?? ''}`, [one.operationId]);

const WISHES = [
  'I need to',
  'how do I',
  'please',
  'can you',
  'find a tool to',
  "I'd like to",
  'help me',
  'I want to',
  'then',
  '',
  '',
  '',
];
const texts = [];
for (const { service, name, sentences, parameters } of operations) {
  const first = sentences[0].replace(/^(This|The) (operation|API|method|action)\s+/i, '');
  const roll = random();
  if (roll < 0.35) texts.push(`${name}: ${sentences.slice(0, 2).join(' ')}`);
  else if (roll < 0.6) texts.push(`${name}: ${first} ${parameters} (${service})`);
  else texts.push(sentences.slice(0, 3).join(' '));
  const lower = first.charAt(0).toLowerCase() + first.slice(1);
  const wish = lower.replace(/[.!]$/, '').replace(/^(\w{2,}[^s\W])s\b/, '$1');
  texts.push(`${pick(WISHES)} ${wish}`.trim());
  if (random() < 0.4) texts.push(random() < 0.5 ? name : `${service} ${name}`);
}
for (let i = texts.length - 1; i > 0; i--) {
  const j = Math.floor(random() * (i + 1));
  [texts[i], texts[j]] = [texts[j], texts[i]];
}

const vocabulary = [];
for (const [piece, id] of Object.entries(JSON.parse(readFileSync(values.vocab, 'utf8')).model.vocab))
  vocabulary[id] = piece;
const cls = vocabulary.indexOf('[CLS]');
const sep = vocabulary.indexOf('[SEP]');
const wordPiece = createWordPiece(vocabulary);
const lines = [];
const numbers = [];
const distinct = new Set();
for (const text of texts) {
  if (lines.length >= Number(values.most)) break;
  const line = text.slice(0, 320);
  const ids = wordPiece.encode(line, MOST_TOKENS);
  if (ids.length === 0 || distinct.has(line)) continue;
  distinct.add(line);
  lines.push(line);
  numbers.push(ids.length + 2, cls, ...ids, sep);
}
appendFileSync(join(values.out, 'texts.txt'), `${lines.join('\n')}\n`);
appendFileSync(join(values.out, 'tokens.bin'), Buffer.from(Int32Array.from(numbers).buffer));
console.error(`${operations.length} operations, ${lines.length} texts, ${numbers.length} tokens`);
