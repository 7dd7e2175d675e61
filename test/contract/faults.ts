/**
 * Every fault that is to be survived, by its id. `proven`: a test has the id at the beginning of its title (or of its
 * describe's), and the gate beside this file fails when none does. `pending`: its tests are being written; make it
 * `proven` with them. `elsewhere`: it is shown by something that is no test, and `by` says what.
 */
export type FaultProof =
  | { readonly state: 'proven' | 'pending' }
  | { readonly state: 'elsewhere'; readonly by: string };

const proven: FaultProof = { state: 'proven' };
const pending: FaultProof = { state: 'pending' };

/** Ids of a group, all in the same state but for some. */
function group(
  name: string,
  count: number,
  state: FaultProof,
  others: Readonly<Record<number, FaultProof>> = {},
): [string, FaultProof][] {
  return Array.from({ length: count }, (_, index) => [
    `${name}-${String(index + 1).padStart(2, '0')}`,
    others[index + 1] ?? state,
  ]);
}

export const faults: ReadonlyMap<string, FaultProof> = new Map([
  ...group('LIF', 11, proven),
  ...group('DWN', 15, proven, { 10: pending, 11: pending, 12: pending }),
  ...group('REM', 7, proven),
  ...group('RES', 4, proven),
  ...group('BGT', 6, proven),
  ...group('STO', 6, proven),
  ...group('CLI', 6, proven),
  ...group('HTP', 6, proven),
  ...group('IDX', 6, pending, { 1: proven, 2: proven, 3: proven, 4: proven }),
  ...group('SEC', 5, proven),
  ...group('UPG', 5, pending, { 1: proven }),
  ...group('SOK', 3, proven, {
    1: { state: 'elsewhere', by: 'npm run soak' },
    2: { state: 'elsewhere', by: 'npm run soak -- --minutes 480' },
  }),
]);
