/** The same bytes in pieces that end at these places (taken modulo the length); some may be empty. */
export function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = at.map((place) => place % (bytes.byteLength + 1)).sort((a, b) => a - b);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.byteLength));
}
