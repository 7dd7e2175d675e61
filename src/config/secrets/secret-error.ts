import { RuntimeError } from '../../core/errors.js';

/** What a name of a secret may be: it stands in files, messages and commands. */
export const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;

export type SecretReason =
  | 'not-set'
  | 'key-missing'
  | 'key-exposed'
  | 'key-damaged'
  | 'key-wrong'
  | 'changed';

/**
 * @param what happened, as a whole sentence.
 * @param facts names alone; never a value.
 */
export function secretError(
  what: string,
  facts: { reason: SecretReason; secret?: string; key?: string },
  hint: string,
  cause?: unknown,
): RuntimeError {
  return new RuntimeError('SECRET_UNAVAILABLE', what, { hint, data: facts, cause });
}

export const notSet = (name: string): RuntimeError =>
  secretError(
    `The secret ${name} is not set.`,
    { reason: 'not-set', secret: name },
    `Set it with \`mcp-runtime secret set ${name}\`, which asks for the value.`,
  );
