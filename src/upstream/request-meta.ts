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

/** A request as JSON; printed in one go it takes a third longer. */
export function requestText(
  id: number,
  method: string,
  params: Readonly<Record<string, unknown>> | undefined,
): string {
  const rest = params === undefined ? '' : `,"params":${JSON.stringify(params)}`;
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}${rest}}`;
}
