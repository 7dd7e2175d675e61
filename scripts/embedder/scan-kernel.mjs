// Assembles the WebAssembly of `src/catalog/search/scan-kernel.ts` and prints it in base64.
//
//   node scan-kernel.mjs
//
// One function over an imported memory: the inner products of a query with vectors that lie one after the other.
//
//   scan(query: i32, vector: i32, end: i32, bytes: i32, out: i32)
//
// `query` points at int16 values, `vector` at the first of the int8 vectors of `bytes` each (a multiple of 8), `end`
// behind the last; for each vector an int32 is written to `out`.
const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes];
const vector = (items) => [...leb(items.length), ...items.flat()];
const text = (word) => [...leb(word.length), ...Buffer.from(word)];
function leb(value) {
  const bytes = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}
const I32 = 0x7f;
const V128 = 0x7b;
const [QUERY, VECTOR, END, BYTES, OUT, AT, STOP, SUM] = [0, 1, 2, 3, 4, 5, 6, 7];
const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const constant = (value) => [0x41, value];
const add = 0x6a;
const simd = (code) => [0xfd, ...leb(code)];
const lane = (index) => [...get(SUM), ...simd(27), index];
const body = [
  ...[0x02, 0x40],
  // while (vector < end)
  ...[0x03, 0x40],
  ...[...get(VECTOR), ...get(END), 0x4f, 0x0d, 1],
  ...[...simd(12), ...Array(16).fill(0), ...set(SUM)],
  ...[...get(QUERY), ...set(AT)],
  ...[...get(VECTOR), ...get(BYTES), add, ...set(STOP)],
  // for each 8 values: sum += i32x4.dot_i16x8_s(v128.load8x8_s(vector), v128.load(at))
  ...[0x03, 0x40],
  ...[...get(SUM)],
  ...[...get(VECTOR), ...simd(1), 0, 0],
  ...[...get(AT), ...simd(0), 0, 0],
  ...[...simd(186), ...simd(174), ...set(SUM)],
  ...[...get(AT), ...constant(16), add, ...set(AT)],
  ...[...get(VECTOR), ...constant(8), add, 0x22, VECTOR],
  ...[...get(STOP), 0x49, 0x0d, 0],
  0x0b,
  ...[...get(OUT), ...lane(0), ...lane(1), add, ...lane(2), add, ...lane(3), add, 0x36, 2, 0],
  ...[...get(OUT), ...constant(4), add, ...set(OUT)],
  ...[0x0c, 0],
  0x0b,
  0x0b,
  0x0b,
];
const locals = [
  [2, I32],
  [1, V128],
];
const code = [...vector(locals), ...body];
const bytes = [
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(1, vector([[0x60, ...vector([[I32], [I32], [I32], [I32], [I32]]), 0]])),
  ...section(2, vector([[...text('m'), ...text('m'), 2, 0, 1]])),
  ...section(3, vector([[0]])),
  ...section(7, vector([[...text('scan'), 0, 0]])),
  ...section(10, vector([[...leb(code.length), ...code]])),
];
console.log(Buffer.from(bytes).toString('base64'));
