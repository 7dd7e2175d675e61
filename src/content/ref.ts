import { RuntimeError } from '../core/errors.js';

/** Lower-case UUID v4 and nothing else: a name that is not this never reaches the file system or the database. */
const REF = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function isRef(id: unknown): id is string {
  return typeof id === 'string' && id.length === 36 && REF.test(id);
}

/** The same error for malformed, unknown, expired and foreign: a guess learns nothing from it. */
export function contentNotFound(id: unknown, ttlMs: number): RuntimeError {
  const shown = typeof id === 'string' && /^[\w-]{1,40}$/.test(id) ? ` "${id}"` : '';
  const hours = Math.round((ttlMs / 3_600_000) * 10) / 10;
  return new RuntimeError('CONTENT_NOT_FOUND', `No content is kept under the reference${shown}.`, {
    hint: `A reference is the 36 characters after "[Reference: "; content is kept for at most ${hours} hours. Call the tool again to get it anew.`,
  });
}
