import type { Environment } from './home.js';

/**
 * Reads one variable. `undefined` is one that is not set, and gives the default.
 * @throws Error that says what the value may be, without repeating it: it may be a secret.
 */
type Read<Value> = (given: string | undefined) => Value;
type Values<Shape> = {
  readonly [Name in keyof Shape]: Shape[Name] extends Read<infer Value> ? Value : never;
};

// By hand: making schemas for these and loading what makes them took a third of the time until a client was greeted.

export const text: Read<string | undefined> = (given) => given?.trim();

const WORDS = new Map<string, boolean>([
  ...['true', '1', 'yes', 'on'].map((word) => [word, true] as const),
  ...['false', '0', 'no', 'off'].map((word) => [word, false] as const),
]);

export const flag =
  (byDefault: boolean): Read<boolean> =>
  (given) => {
    if (given === undefined) return byDefault;
    const value = WORDS.get(given.trim().toLowerCase());
    if (value === undefined) throw new Error(`expected one of ${[...WORDS.keys()].join(', ')}`);
    return value;
  };

/** A whole number from `min` to `max`. */
export const whole =
  <Default extends number | undefined>(
    byDefault: Default,
    min: number,
    max: number,
  ): Read<number | Default> =>
  (given) => {
    if (given === undefined) return byDefault;
    const value = Number(given);
    if (!Number.isSafeInteger(value) || value < min || value > max)
      throw new Error(`expected a whole number from ${min} to ${max}`);
    return value;
  };

/** One of these words; the first is the default. */
export const oneOf =
  <const Word extends string>(byDefault: Word, ...others: Word[]): Read<Word> =>
  (given) => {
    const words = [byDefault, ...others];
    const value = given === undefined ? byDefault : words.find((word) => word === given);
    if (value === undefined) throw new Error(`expected one of ${words.join(', ')}`);
    return value;
  };

export const url: Read<string | undefined> = (given) => {
  const value = given?.trim();
  if (value === undefined) return undefined;
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    throw new Error('expected an address that begins with http:// or https://');
  return value;
};

/** Reads the variables of `shape`; an empty one counts as not set. @returns the values, and what is wrong with each bad one. */
export function readValues<Shape extends Readonly<Record<string, Read<unknown>>>>(
  shape: Shape,
  environment: Environment,
): { readonly values: Values<Shape>; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const entries = Object.entries(shape).map(([name, read]) => {
    const given = environment[name];
    try {
      return [name, read(given?.trim() === '' ? undefined : given)] as const;
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
      return [name, undefined] as const;
    }
  });
  return { values: Object.fromEntries(entries) as Values<Shape>, problems };
}
