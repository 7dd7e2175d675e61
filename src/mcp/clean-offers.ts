import { cut, hasUnseen, printable } from '../lib/printable.js';

type Item = Readonly<Record<string, unknown>>;

/** Of one description; UTF-8. As of tools. */
const MAX_TEXT_BYTES = 2_048;
const MAX_NAME_BYTES = 256;

/** What each kind of offer is asked for by: it must come back as it is, so it is whole or not there. */
const KEYS: Readonly<Record<string, string>> = {
  prompts: 'name',
  resources: 'uri',
  resourceTemplates: 'uriTemplate',
};

/**
 * Resources, templates or prompts as they may stand before a model, as tools do: nothing in their texts that cannot be
 * seen or is obeyed by a terminal, bounded; those that could only be asked for with such characters are left out. The
 * same list where there is nothing to clean.
 * @param kind `prompts`, `resources` or `resourceTemplates`.
 */
export function cleanOffers(kind: string, items: readonly unknown[]): readonly unknown[] {
  const key = KEYS[kind] ?? 'name';
  const clean = items.flatMap((item) => {
    if (typeof item !== 'object' || item === null) return [item];
    return hasUnseen(String((item as Item)[key])) ? [] : [cleanItem(item as Item, key)];
  });
  const isSame = clean.length === items.length && clean.every((item, index) => item === items[index]);
  return isSame ? items : clean;
}

function cleanItem(item: Item, key: string): Item {
  let changed = false;
  const entries = Object.entries(item).map(([name, value]): [string, unknown] => {
    const clean = name === key ? value : cleanValue(name, value);
    changed ||= clean !== value;
    return [name, clean];
  });
  return changed ? Object.fromEntries(entries) : item;
}

function cleanValue(name: string, value: unknown): unknown {
  if (name === 'arguments' && Array.isArray(value)) return cleanOffers('prompts', value);
  if (typeof value !== 'string') return value;
  if (name === 'description') return cut(printable(value), MAX_TEXT_BYTES);
  return name === 'name' || name === 'title' ? cut(printable(value), MAX_NAME_BYTES) : value;
}
