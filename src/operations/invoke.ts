import type { z } from 'zod';
import type { OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import { quickInput } from './quick-input.js';
import {
  type OperationInput,
  type OperationName,
  type OperationOutput,
  operations,
  type Runtime,
} from './table.js';
import { inputSchema } from './tool-definition.js';

const inputs = new Map<OperationName, z.ZodType>();

/** Made when it is first needed, and once: a schema compiles itself. */
function inputOf(name: OperationName): z.ZodType {
  let found = inputs.get(name);
  if (found === undefined) {
    found = operations[name].input();
    inputs.set(name, found);
  }
  return found;
}

/**
 * Checks the input of one operation.
 * @throws RuntimeError INVALID_ARGUMENTS that says which argument, why, and what the schema is.
 */
export function parseInput<Name extends OperationName>(name: Name, input: unknown): OperationInput<Name> {
  const quick = quickInput(name, input);
  if (quick !== undefined) return quick as OperationInput<Name>;
  const parsed = inputOf(name).safeParse(input ?? {});
  if (parsed.success) return parsed.data as OperationInput<Name>;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`,
  );
  throw new RuntimeError('INVALID_ARGUMENTS', `Wrong arguments for ${name}: ${problems.join('; ')}.`, {
    hint: `The schema is ${JSON.stringify(inputSchema(name))}`,
    data: { problems },
  });
}

/** The one way from a face into a runtime: parse, then run. Never throws at once. */
export function invoke<Name extends OperationName>(
  runtime: Runtime,
  name: Name,
  input: unknown,
  context: OperationContext,
): Promise<OperationOutput<Name>> {
  const method = runtime[name] as (
    input: OperationInput<Name>,
    context: OperationContext,
  ) => Promise<OperationOutput<Name>>;
  try {
    return method.call(runtime, parseInput(name, input), context);
  } catch (error) {
    return Promise.reject(error);
  }
}
