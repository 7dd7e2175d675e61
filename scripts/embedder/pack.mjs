// Packs fitted rows into the file that is shipped: int8 values with one scale a row, and the vocabulary.
//
//   node pack.mjs --out DIR --rows DIR/table.f32 --file assets/embedder/table.bin --id NAME
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    rows: { type: 'string' },
    file: { type: 'string' },
    id: { type: 'string' },
  },
});
const vocabulary = readFileSync(join(values.out, 'vocabulary.txt'), 'utf8').trimEnd().split('\n');
const raw = readFileSync(values.rows);
const floats = new Float32Array(raw.buffer, raw.byteOffset, raw.length / 4);
const rows = vocabulary.length;
const dimensions = floats.length / rows;
if (!Number.isInteger(dimensions)) throw new Error('rows and vocabulary do not fit each other');
const scales = new Float32Array(rows);
const quantised = new Int8Array(rows * dimensions);
for (let row = 0; row < rows; row++) {
  let most = 0;
  for (let i = 0; i < dimensions; i++) most = Math.max(most, Math.abs(floats[row * dimensions + i]));
  scales[row] = most / 127;
  if (most === 0) continue;
  for (let i = 0; i < dimensions; i++)
    quantised[row * dimensions + i] = Math.round(floats[row * dimensions + i] / scales[row]);
}
const pieces = Buffer.from(vocabulary.join('\n'));
const header = Buffer.from(
  JSON.stringify({ id: values.id, dimensions, rows, vocabularyBytes: pieces.length }),
);
const start = Buffer.alloc(8);
start.write('MCT1', 0, 'latin1');
start.writeUInt32LE(header.length, 4);
const file = Buffer.concat([
  start,
  header,
  pieces,
  Buffer.from(scales.buffer),
  Buffer.from(quantised.buffer),
]);
writeFileSync(values.file, file);
console.log(`${values.file}: ${rows} rows of ${dimensions}, ${(file.length / 1e6).toFixed(2)} MB`);
