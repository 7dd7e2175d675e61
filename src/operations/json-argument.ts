import { z } from 'zod';

/** For `z.preprocess`: models often send an object as a JSON string. */
export function fromJson(given: unknown, context: z.core.ParsePayload): unknown {
  if (typeof given !== 'string') return given;
  if (given.trim() === '') return {};
  try {
    return JSON.parse(given) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    context.issues.push({
      code: 'custom',
      input: given,
      message: `is a string that is not JSON: ${why}`,
    });
    return z.NEVER;
  }
}
