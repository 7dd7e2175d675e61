/** Scales `vector` to length one in place; false when it is all zero or not finite. */
export function normalise(vector: Float32Array): boolean {
  let sum = 0;
  for (const value of vector) sum += value * value;
  if (!(sum > 0) || !Number.isFinite(sum)) return false;
  const scale = 1 / Math.sqrt(sum);
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) * scale;
  return true;
}

/** `target += weight × vector`. */
export function addScaled(target: Float32Array, vector: Float32Array, weight: number): void {
  for (let i = 0; i < target.length; i++) {
    target[i] = (target[i] as number) + weight * (vector[i] as number);
  }
}

/** Inner product of `a` from `offset` on with the first `count` values of `b`. */
export function dot(a: Float32Array, offset: number, b: Float32Array, count: number): number {
  // Four sums at once: the additions do not wait for one another, which halves the time of a scan.
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 3 < count; i += 4) {
    const at = offset + i;
    s0 += (a[at] as number) * (b[i] as number);
    s1 += (a[at + 1] as number) * (b[i + 1] as number);
    s2 += (a[at + 2] as number) * (b[i + 2] as number);
    s3 += (a[at + 3] as number) * (b[i + 3] as number);
  }
  for (; i < count; i++) s0 += (a[offset + i] as number) * (b[i] as number);
  return s0 + s1 + s2 + s3;
}
