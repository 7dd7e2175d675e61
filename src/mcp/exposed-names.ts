import { sha256 } from '../lib/hash.js';

/** Clients refuse longer names, or cut them, which is worse. */
const MAX_NAME = 64;
const HASH_CHARS = 8;

/** Something of a server that is shown under a name of ours: a tool or a prompt. */
export interface Named {
  readonly server: string;
  readonly name: string;
}

/**
 * Names under which things of several servers can be told apart: `server__name`, with a hash where that would be too
 * long, would lose a character, or would be the name of something else. The name of a thing depends on what else there
 * is only where two would be alike, so that permissions which clients keep by name stay true.
 * @param plain whether a name may stay as it is where nothing else has it: for a client that is shown one server.
 * @param taken names of our own, which nothing else may have.
 */
export function exposedNames<T extends Named>(
  things: readonly T[],
  { plain, taken }: { plain: boolean; taken: ReadonlySet<string> },
): Map<string, T> {
  const wanted = things.map((thing) => (plain && isShort(thing.name) ? thing.name : joined(thing)));
  const count = new Map<string, number>();
  for (const name of wanted) count.set(name, (count.get(name) ?? 0) + 1);
  const named = new Map<string, T>();
  for (const [index, thing] of things.entries()) {
    const name = wanted[index] ?? '';
    const alone = count.get(name) === 1 && !taken.has(name);
    named.set(alone ? name : hashed(thing), thing);
  }
  return named;
}

const isShort = (name: string) => name.length <= MAX_NAME;

function joined(thing: Named): string {
  const { server, name } = thing;
  const text = `${server}__${name}`;
  // `a__b` + `c` and `a` + `b__c` would be alike; a server with the separator in its name always gets the hash.
  const isPlain =
    isShort(text) && /^[A-Za-z0-9_.-]+$/.test(text) && !server.includes('__') && !server.endsWith('_');
  return isPlain ? text : hashed(thing);
}

function hashed({ server, name }: Named): string {
  const hash = sha256(JSON.stringify([server, name])).slice(0, HASH_CHARS);
  const text = `${server}__${name}`.replaceAll(/[^A-Za-z0-9_.-]/g, '_');
  return `${text.slice(0, MAX_NAME - HASH_CHARS - 1)}_${hash}`;
}
