// Chooses the table's rows and writes the texts as row ids.
//
//   node vocabulary.mjs --out DIR --vocab TOKENIZER.json [--rows 29800] [--least 12]
//
// Reads DIR/texts.txt and DIR/pairs.txt. Writes DIR/vocabulary.txt, DIR/student.bin and DIR/pairs.bin (row ids of each text), DIR/rows.bin (each row as
// ids of the teacher, to ask it for a first vector) and DIR/rows-student.bin.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { splitIdentifiers } from '../../dist/catalog/search/tokenize.js';
import { createWordPiece } from '../../dist/catalog/search/wordpiece.js';

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    vocab: { type: 'string' },
    rows: { type: 'string', default: '29800' },
    least: { type: 'string', default: '12' },
  },
});
const texts = readFileSync(join(values.out, 'texts.txt'), 'utf8').trimEnd().split('\n').map(splitIdentifiers);
const teacher = [];
for (const [piece, id] of Object.entries(JSON.parse(readFileSync(values.vocab, 'utf8')).model.vocab))
  teacher[id] = piece;
const cls = teacher.indexOf('[CLS]');
const sep = teacher.indexOf('[SEP]');
const wordPiece = createWordPiece(teacher);

const pieceCount = new Map();
const wordCount = new Map();
for (const text of texts) {
  for (const id of wordPiece.encode(text, 62)) pieceCount.set(id, (pieceCount.get(id) ?? 0) + 1);
  for (const [word] of text.toLowerCase().matchAll(/[a-z0-9]+/g))
    if (word.length > 2 && word.length < 24 && /[a-z]/.test(word))
      wordCount.set(word, (wordCount.get(word) ?? 0) + 1);
}
// Single letters and digits stay even when the texts lack them: any name can be spelt with them.
const base = teacher.filter(
  (piece, id) =>
    !/^\[.*\]$/.test(piece) &&
    (/^(##)?[a-z0-9]$/.test(piece) ||
      (pieceCount.get(id) ?? 0) >= (/^(##)?[a-z0-9]+$/.test(piece) ? 1 : 3)) &&
    /[\p{L}\p{N}]/u.test(piece),
);
const words = [...wordCount]
  .filter(([word, count]) => count >= Number(values.least) && wordPiece.encode(word, 9).length > 1)
  .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  .slice(0, Math.max(0, Number(values.rows) - base.length))
  .map(([word]) => word);
const vocabulary = [...base, ...words];
console.error(
  `${base.length} pieces and ${words.length} words (${words.slice(0, 8).join(' ')} ... ${words.slice(-4).join(' ')})`,
);

const student = createWordPiece(vocabulary);
const numbers = [];
for (const text of texts) {
  const ids = student.encode(text, 62);
  numbers.push(ids.length, ...ids);
}
const paired = [];
for (const text of readFileSync(join(values.out, 'pairs.txt'), 'utf8')
  .trimEnd()
  .split('\n')
  .map(splitIdentifiers)) {
  const ids = student.encode(text, 62);
  paired.push(ids.length, ...ids);
}
const rowNumbers = [];
const own = [];
for (const [row, piece] of vocabulary.entries()) {
  const id = teacher.indexOf(piece);
  const ids = id >= 0 ? [id] : wordPiece.encode(piece, 20);
  rowNumbers.push(ids.length + 2, cls, ...ids, sep);
  own.push(1, row);
}
const write = (name, list) =>
  writeFileSync(join(values.out, name), Buffer.from(Int32Array.from(list).buffer));
writeFileSync(join(values.out, 'vocabulary.txt'), `${vocabulary.join('\n')}\n`);
write('student.bin', numbers);
write('pairs.bin', paired);
write('rows.bin', rowNumbers);
write('rows-student.bin', own);
