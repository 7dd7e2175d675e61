import type { RequestOptions } from '../core/upstream.js';

/** The caller's `_meta` with our own progress token, or without any. */
export function withMeta(
  params: Readonly<Record<string, unknown>> | undefined,
  { meta, onProgress, maxTimeoutMs }: RequestOptions,
  id: number,
): Readonly<Record<string, unknown>> | undefined {
  const wantsProgress = onProgress !== undefined || maxTimeoutMs !== undefined;
  if (!meta && !wantsProgress) return params;
  const { progressToken: _theirs, ...rest } = meta ?? {};
  return { ...params, _meta: { ...rest, ...(wantsProgress ? { progressToken: id } : {}) } };
}
