import { RuntimeError } from '../../core/errors.js';
import type { IndexServerInput, SearchQuery } from './types.js';

/** The body of both searches. @throws RuntimeError INVALID_ARGUMENTS before anything is sent. */
export function searchBody(query: SearchQuery): Record<string, unknown> {
  const invalid = (what: string) => new RuntimeError('INVALID_ARGUMENTS', what);
  if (query.query.length < 1 || query.query.length > 1000)
    throw invalid(`query must have 1 to 1000 characters, not ${query.query.length}.`);
  const { limit, minScore } = query;
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= 100))
    throw invalid(`limit must be 1 to 100, not ${limit}.`);
  if (minScore !== undefined && !(minScore >= 0 && minScore <= 1))
    throw invalid(`min_score must be 0 to 1, not ${minScore}.`);
  return { query: query.query, limit: limit ?? 10, min_score: minScore ?? 0.3 };
}

export function addBody(input: IndexServerInput): Record<string, unknown> {
  const common = {
    server_name: input.name,
    ...(input.timeout === undefined ? {} : { timeout: input.timeout }),
  };
  if (input.url !== undefined) return { ...common, url: input.url, headers: input.headers ?? {} };
  const alpha = input.alpha === undefined ? {} : { alpha: input.alpha };
  return { ...common, command: input.command, args: input.args ?? [], env: input.env ?? {}, ...alpha };
}
