import type { Kept } from './long-text.js';
import { outlineValue } from './outline.js';
import { type Keeper, keep } from './replace-block.js';
import { fitsTokens } from './tokens.js';

/** What stands in for a JSON value that is too large. */
export interface StandIn {
  readonly ref_id?: string;
  readonly outline: string;
  readonly bytes: number;
  readonly note: string;
}

/** @param json the value as it is kept. */
export function standInFor(value: unknown, json: string, kept: Kept): StandIn {
  const facts = { outline: outlineValue(value), bytes: Buffer.byteLength(json) };
  if ('lost' in kept) return { ...facts, note: `Too large for the context and not kept: ${kept.lost}` };
  const { id } = kept.ref;
  return {
    ref_id: id,
    ...facts,
    note: `Too large for the context: get_content(ref_id="${id}", json_path="$...") reads parts of it.`,
  };
}

/** The value where it fits, else what stands in for it. */
export async function fitValue<T>(value: T, maxTokens: number, keeper: Keeper): Promise<T | StandIn> {
  const json = JSON.stringify(value);
  if (json === undefined || (await fitsTokens(json, maxTokens))) return value;
  return standInFor(value, json, await keepJson(json, keeper));
}

export const keepJson = (json: string, keeper: Keeper): Promise<Kept> =>
  keep({ kind: 'text', mimeType: 'application/json', data: json }, keeper);
