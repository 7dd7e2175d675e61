import type { z } from 'zod';

interface Detail {
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

/** A request that does not fit its schema; answered with 422 as FastAPI does. */
export class ValidationFailure extends Error {
  override readonly name = 'ValidationFailure';
  readonly detail: readonly Detail[];

  constructor(detail: readonly Detail[]) {
    super('The request does not fit its schema.');
    this.detail = detail;
  }
}

/** @throws ValidationFailure */
export function validated<S extends z.ZodType>(
  schema: S,
  value: unknown,
  place: 'body' | 'query',
): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ValidationFailure(parsed.error.issues.slice(0, 50).map((issue) => toDetail(issue, value, place)));
}

/** Values of a query are text; what reads as a whole number is one. */
export function numbersOf(query: Readonly<Record<string, string>>): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(query).map(([key, text]) => [key, /^-?\d{1,15}$/.test(text) ? Number(text) : text]),
  );
}

type Issue = z.core.$ZodIssue;

const TYPES: Readonly<Record<string, [type: string, msg: string]>> = {
  string: ['string_type', 'Input should be a valid string'],
  number: ['float_type', 'Input should be a valid number'],
  boolean: ['bool_type', 'Input should be a valid boolean'],
  array: ['list_type', 'Input should be a valid list'],
  object: ['model_attributes_type', 'Input should be a valid dictionary or object to extract fields from'],
  record: ['dict_type', 'Input should be a valid dictionary'],
};

function toDetail(issue: Issue, value: unknown, place: 'body' | 'query'): Detail {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  const [type, msg] = say(issue, at(value, path), place);
  return { loc: [place, ...path], msg, type };
}

function say(issue: Issue, given: unknown, place: 'body' | 'query'): [type: string, msg: string] {
  if (given === undefined) return ['missing', 'Field required'];
  switch (issue.code) {
    case 'invalid_type': {
      // Only whole numbers stand in queries, and zod names the wider type for what is no number at all.
      if (place === 'query') {
        return ['int_parsing', 'Input should be a valid integer, unable to parse string as an integer'];
      }
      // What is a number and still no integer has a fraction; the expected type of both is told apart only by that.
      if (typeof given === 'number' && issue.expected === 'int') {
        return ['int_from_float', 'Input should be a valid integer, got a number with a fractional part'];
      }
      return TYPES[issue.expected] ?? ['value_error', 'Value error'];
    }
    case 'too_small':
      if (issue.origin === 'string')
        return [
          'string_too_short',
          `String should have at least ${issue.minimum} character${issue.minimum === 1 ? '' : 's'}`,
        ];
      if (issue.inclusive)
        return ['greater_than_equal', `Input should be greater than or equal to ${issue.minimum}`];
      return ['greater_than', `Input should be greater than ${issue.minimum}`];
    case 'too_big':
      if (issue.origin === 'string')
        return ['string_too_long', `String should have at most ${issue.maximum} characters`];
      if (issue.origin === 'array') return ['too_long', `List should have at most ${issue.maximum} items`];
      return ['less_than_equal', `Input should be less than or equal to ${issue.maximum}`];
    case 'invalid_value':
      return ['literal_error', `Input should be ${alternatives(issue.values)}`];
    default:
      return ['value_error', `Value error, ${issue.message}`];
  }
}

/** `'a', 'b' or 'c'`, as pydantic lists them. */
function alternatives(values: readonly unknown[]): string {
  const [last, ...rest] = values.map((value) => `'${String(value)}'`).reverse();
  return rest.length === 0 ? String(last) : `${rest.reverse().join(', ')} or ${last}`;
}

function at(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Record<string | number, unknown> | undefined | null)?.[key],
    value,
  );
}

/** An answer of FastAPI's form: a status and one sentence. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}
