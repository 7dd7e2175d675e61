// Gathers unlabelled one-line texts for the fit: what packages say of themselves, what words mean, and the same in
// the tone of a wish. Deterministic for the same inputs.
//
//   node corpus.mjs --out DIR --vocab TOKENIZER.json [--apt] [--tsv FILE:COLUMN[:MOST]]... [--wordnet DIR] [--modules DIR]
//
// Writes DIR/texts.txt (one text a line) and DIR/tokens.bin (int32 count, then ids with [CLS] and [SEP], for each).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { splitIdentifiers } from '../../dist/catalog/search/tokenize.js';
import { createWordPiece } from '../../dist/catalog/search/wordpiece.js';

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    vocab: { type: 'string' },
    apt: { type: 'boolean', default: false },
    tsv: { type: 'string', multiple: true, default: [] },
    wordnet: { type: 'string' },
    modules: { type: 'string' },
    seed: { type: 'string', default: '7' },
  },
});
const MOST_TOKENS = 62;

function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const random = generator(Number(values.seed));
// Pairs draw from their own stream: to change them must not change the texts that the teacher has read already.
const chance = generator(Number(values.seed) + 1);
const pick = (list, draw = random) => list[Math.floor(draw() * list.length)];
function shuffle(list, draw = random) {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

const seen = new Set();
function clean(text) {
  const line = text
    .replace(/<[^>]*>|https?:\/\/\S+|[\u0000-\u001f]+|\[!\[.*$/g, ' ')
    .replace(/[`*]+/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 280);
  const letters = line.match(/[A-Za-z ]/g)?.length ?? 0;
  const words = line.split(' ').length;
  if (letters < line.length * 0.8 || words > 45 || line.length < 4) return undefined;
  return line;
}
/** Near duplicates ("... - development files") differ in brackets, digits and after a dash: one of them is enough. */
function fresh(text) {
  const key = text
    .toLowerCase()
    .replace(/\(.*?\)| - .*$|[^a-z]+/g, ' ')
    .trim();
  if (key === '' || seen.has(key)) return false;
  seen.add(key);
  return true;
}
function gather(name, list, most) {
  const kept = [];
  for (const text of shuffle(list)) {
    if (kept.length >= most) break;
    const line = clean(text);
    if (line !== undefined && fresh(line)) kept.push(line);
  }
  console.error(`${name}: ${kept.length} of ${list.length}`);
  return kept;
}

const texts = [];
const names = [];
/** What belongs together by nature: a name and what it names, a word and its meaning, two halves of one text. */
const pairs = [];
function pair(a, b) {
  const [left, right] = [clean(splitIdentifiers(a)), clean(b)];
  if (left !== undefined && right !== undefined) pairs.push([left, right]);
}
function halves(text) {
  const words = text.split(' ');
  if (words.length < 10 || words.length > 40) return;
  const at = 3 + Math.floor(chance() * (words.length - 6));
  pairs.push([words.slice(0, at).join(' '), words.slice(at).join(' ')]);
}
if (values.apt) {
  const dump = execFileSync('apt-cache', ['dumpavail'], { maxBuffer: 1 << 30, encoding: 'utf8' });
  const short = [];
  for (const entry of dump.split('\n\n')) {
    const name = /^Package: (.*)$/m.exec(entry)?.[1];
    const text = /^Description(?:-en)?: (.*)$/m.exec(entry)?.[1];
    if (
      text !== undefined &&
      !/-(dev|dbg|doc|dbgsym|cross|data|common|perl)$|^(lib|linux-|fonts?-|golang-)/.test(name ?? '')
    )
      short.push(text);
    else if (text !== undefined && random() < 0.25) short.push(text);
    if (name !== undefined) names.push(name);
    if (name !== undefined && text !== undefined && chance() < 0.4) pair(name, text);
  }
  texts.push(...gather('apt', short, 60_000));
}
for (const source of values.tsv) {
  const [file, column, most] = source.split(':');
  const rows = readFileSync(file, 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'));
  const list = rows.map((row) => row[Number(column)] ?? '').filter((text) => text.split(' ').length >= 4);
  const tools = list.filter((text) => /\bmcp\b|\bagents?\b|\btools?\b|\bapi\b/i.test(text));
  texts.push(...gather(`${file} (tools)`, tools, Number(most ?? 100_000) / 3));
  texts.push(...gather(file, list, Number(most ?? 100_000)));
  const share = Math.min(1, 130_000 / rows.length);
  for (const row of rows) {
    const name = (row[0] ?? '').replace(/^@[^/]*\//, '');
    const text = row[Number(column)] ?? '';
    if (random() < 0.1 && name !== '') names.push(name);
    if (/[a-z]{3}.*[-_. ].*[a-z]{3}/i.test(name) && text.split(' ').length >= 4 && chance() < 1.6 * share)
      pair(name, text);
    if (chance() < 0.4 * share) halves(clean(text) ?? '');
  }
}
if (values.modules !== undefined) {
  const list = [];
  const visit = (dir) => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
      const here = join(dir, entry.name);
      if (entry.name.startsWith('@')) visit(here);
      else if (existsSync(join(here, 'package.json')))
        list.push(String(JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')).description ?? ''));
    }
  };
  visit(values.modules);
  texts.push(...gather('modules', list, 20_000));
}
if (values.wordnet !== undefined) {
  const glosses = [];
  const lemmas = [];
  for (const [part, share] of [
    ['noun', 0.45],
    ['verb', 1],
    ['adj', 0.5],
    ['adv', 0.5],
  ]) {
    for (const line of readFileSync(join(values.wordnet, `data.${part}`), 'latin1').split('\n')) {
      const bar = line.indexOf(' | ');
      if (bar < 0 || line.startsWith(' ') || random() > share) continue;
      const fields = line.slice(0, bar).split(' ');
      const words = Array.from({ length: Number.parseInt(fields[3], 16) }, (_, i) =>
        fields[4 + 2 * i].replaceAll('_', ' ').replace(/\(.*\)/, ''),
      );
      const [gloss, ...examples] = line.slice(bar + 3).split(/; "/);
      if (words[0].length > 2 && gloss.length > 8) {
        pair(pick(words, chance), gloss);
        if (words.length > 1) pair(words[0], `${words[1]}: ${gloss}`);
        for (const example of examples) if (chance() < 0.5) pair(example.replace(/".*$/, ''), gloss);
      }
      const kind = random();
      if (kind < 0.4) glosses.push(gloss);
      else if (kind < 0.8) glosses.push(`${words.join(', ')}: ${gloss}`);
      else lemmas.push(pick(words));
      for (const example of examples) if (random() < 0.5) glosses.push(example.replace(/".*$/, ''));
    }
  }
  texts.push(...gather('glosses', glosses, 70_000), ...gather('lemmas', lemmas, 8_000));
}
texts.push(
  ...gather(
    'names',
    names.map((name) => splitIdentifiers(name)),
    18_000,
  ),
);

const OPENINGS = [
  'I need to',
  'Can you help me',
  'please',
  'how do I',
  'I want to',
  'find a tool to',
  'could you',
  "I'd like to",
  'show me',
  'what is',
  'what are',
  'help me find',
  'I am looking for',
  'give me',
  'is there a',
  'tell me about',
  'which',
  'where can I find',
  'let me',
  'get',
  'list',
  'create',
  'update',
  'delete',
  'search for',
  'fetch',
  'look up',
  'send',
  'remove',
  'check',
  'add',
  'convert',
  'generate',
  'my',
  'this tool allows you to',
  'returns',
  'retrieve',
];
const CLOSINGS = [
  '',
  '',
  '',
  ' for me',
  ' please',
  '?',
  ' in my project',
  ' from the server',
  ' by id',
  ' with a given name',
  ' today',
];
const wishes = [];
for (let i = 0; i < 36_000; i++) {
  const text = pick(texts);
  const inner = text.charAt(0).toLowerCase() + text.slice(1).replace(/[.!]$/, '');
  wishes.push(`${pick(OPENINGS)} ${inner}${pick(CLOSINGS)}`);
}
for (const wish of wishes) seen.delete(wish);
texts.push(...wishes);
shuffle(texts);

const pieces = Object.entries(JSON.parse(readFileSync(values.vocab, 'utf8')).model.vocab);
const vocabulary = [];
for (const [piece, id] of pieces) vocabulary[id] = piece;
const cls = vocabulary.indexOf('[CLS]');
const sep = vocabulary.indexOf('[SEP]');
const wordPiece = createWordPiece(vocabulary);
const lines = [];
const numbers = [];
for (const text of texts) {
  const ids = wordPiece.encode(text, MOST_TOKENS);
  if (ids.length === 0) continue;
  lines.push(text);
  numbers.push(ids.length + 2, cls, ...ids, sep);
}
mkdirSync(values.out, { recursive: true });
writeFileSync(join(values.out, 'texts.txt'), `${lines.join('\n')}\n`);
writeFileSync(join(values.out, 'tokens.bin'), Buffer.from(Int32Array.from(numbers).buffer));
shuffle(pairs, chance);
writeFileSync(join(values.out, 'pairs.txt'), `${pairs.map((two) => two.join('\n')).join('\n')}\n`);
console.error(`${pairs.length} pairs`);
console.error(`${lines.length} texts, ${numbers.length} tokens`);
