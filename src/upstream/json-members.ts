const BACKSLASH = 0x5c;

/** The members of a JSON-RPC message; what else stands at the top level is checked but not kept. */
export const memberNames = ['jsonrpc', 'id', 'method', 'params', 'result', 'error'] as const;
export type MemberName = (typeof memberNames)[number];

const spellings = memberNames.map((name) => ({ name, spelled: Buffer.from(`"${name}"`) }));
/** "jsonrpc" written wholly in \u escapes, with its quotes: what is longer is no name that matters here. */
export const LONGEST_SPELLING = 'jsonrpc'.length * 6 + 2;

/**
 * The name that stands there with its quotes, if it is one of those. Compared as bytes: a string for every name would be a
 * third of the cost of a short message.
 */
export function memberNameIn(bytes: Buffer, from: number, length: number): MemberName | undefined {
  for (const { name, spelled } of spellings) {
    if (length !== spelled.byteLength) continue;
    let same = 0;
    while (same < spelled.byteLength && bytes[from + same] === spelled[same]) same += 1;
    if (same === spelled.byteLength) return name;
  }
  const spelling = bytes.subarray(from, from + length);
  if (spelling.indexOf(BACKSLASH) < 0) return undefined;
  const name = JSON.parse(spelling.toString('utf8'));
  return memberNames.find((known) => known === name);
}
