import { readFileSync } from 'node:fs';
import { packageFile } from '../../lib/package-file.js';
import { createWordPiece } from './wordpiece.js';

const MAGIC = 0x3154434d;
const TABLE = packageFile('assets/embedder/table.bin');

/** A table of one vector per word piece: a text's vector is the sum of its pieces' vectors. Answers at once. */
export interface StaticEmbedder {
  /** Names the table; vectors of different ids are never compared. */
  readonly id: string;
  readonly dimensions: number;
  /** Rows of at most `maxTokens` pieces of `text`. Identifiers have to be taken apart before. */
  encode(text: string, maxTokens: number): number[];
  /** Adds `rows` to `sum`, unscaled. */
  accumulate(rows: readonly number[], sum: Float32Array): void;
  /** The length of a row: how much its piece says. Little for "the", much for "kubernetes". */
  weight(row: number): number;
  /** A row in bytes, and its length in their steps: for cosines of rows. */
  bytes(row: number): Int8Array;
  steps(row: number): number;
  /** Whether `word` (lower case) has a row of its own; others are spelt with pieces, and so is what is no word. */
  knows(word: string): boolean;
}

interface TableHeader {
  readonly id: string;
  readonly dimensions: number;
  readonly rows: number;
  readonly vocabularyBytes: number;
}

/** Loads the shipped table, some 30 ms. Throws when the file is missing or is not a table. */
export function loadStaticEmbedder(file: URL | string = TABLE): StaticEmbedder {
  return parseTable(readFileSync(file));
}

/** Reads a table: magic, header length, header (JSON), vocabulary (one piece a line), row scales, int8 rows. */
function parseTable(bytes: Uint8Array): StaticEmbedder {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8 || view.getUint32(0, true) !== MAGIC) throw new Error('not an embedding table');
  const headerEnd = 8 + view.getUint32(4, true);
  const decoder = new TextDecoder();
  const header = JSON.parse(decoder.decode(bytes.subarray(8, headerEnd))) as TableHeader;
  const { dimensions, rows } = header;
  const scalesAt = headerEnd + header.vocabularyBytes;
  const rowsAt = scalesAt + 4 * rows;
  if (bytes.length !== rowsAt + rows * dimensions) throw new Error('the embedding table is cut short');
  const vocabulary = decoder.decode(bytes.subarray(headerEnd, scalesAt)).split('\n');
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) scales[row] = view.getFloat32(scalesAt + 4 * row, true);
  const values = new Int8Array(bytes.buffer, bytes.byteOffset + rowsAt, rows * dimensions);
  const wordPiece = createWordPiece(vocabulary);
  // Lengths in steps of a row's scale, found when first asked for: all of them would double the time to load.
  const lengths = new Float32Array(rows);

  const bytesOf = (row: number): Int8Array => values.subarray(row * dimensions, (row + 1) * dimensions);
  const steps = (row: number): number => {
    let length = lengths[row] as number;
    if (length > 0) return length;
    for (const value of bytesOf(row)) length += value * value;
    length = Math.sqrt(length) || 1;
    lengths[row] = length;
    return length;
  };

  return {
    id: header.id,
    dimensions,
    encode: wordPiece.encode,
    accumulate(ids, sum) {
      for (const id of ids) {
        const scale = scales[id] as number;
        const at = id * dimensions;
        for (let i = 0; i < dimensions; i++) {
          sum[i] = (sum[i] as number) + scale * (values[at + i] as number);
        }
      }
    },
    weight: (row) => steps(row) * (scales[row] as number),
    bytes: bytesOf,
    steps,
    knows: wordPiece.has,
  };
}
