/** Finds tools whose name is what was asked for, letter by letter, whatever joins its words. */
export interface NameLookup {
  add(slot: number, server: string, tool: string): void;
  remove(slot: number, server: string, tool: string): void;
  /** Tools called `query`, or `server tool`; the latter count a little more. */
  find(query: string): { readonly slot: number; readonly score: number }[];
}

const NOT_LETTERS = /[^\p{L}\p{N}]+/gu;
const LONGEST = 200;
const TOOL = 0.97;
const SERVER_AND_TOOL = 1;

/** An empty lookup. */
export function createNameLookup(): NameLookup {
  const slots = new Map<string, Map<number, number>>();
  const keys = (server: string, tool: string): [string, number][] => [
    [key(tool), TOOL],
    [key(`${server}${tool}`), SERVER_AND_TOOL],
  ];
  return {
    add(slot, server, tool) {
      for (const [name, score] of keys(server, tool)) {
        const held = slots.get(name) ?? new Map<number, number>();
        held.set(slot, Math.max(score, held.get(slot) ?? 0));
        slots.set(name, held);
      }
    },
    remove(slot, server, tool) {
      for (const [name] of keys(server, tool)) {
        const held = slots.get(name);
        held?.delete(slot);
        if (held?.size === 0) slots.delete(name);
      }
    },
    find(query) {
      const name = query.length > LONGEST ? '' : key(query);
      if (name === '') return [];
      return [...(slots.get(name) ?? [])].map(([slot, score]) => ({ slot, score }));
    },
  };
}

function key(text: string): string {
  return text.toLowerCase().replace(NOT_LETTERS, '');
}
