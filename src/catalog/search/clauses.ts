import { contentWords } from './tokenize.js';

const BREAKS = /[.!?;:\n,]+|\b(?:and then|then|and|also|as well as|after that|finally|next|or)\b/gi;
// Shorter wishes are one wish, whatever commas they have; measured on single and multi-step sets.
const LONG_FROM = 16;
const MOST_CLAUSES = 8;
const LEAST_WORDS = 2;

/** Gives the clauses of a long wish that asks for several things; none when it is short or in one piece. */
export function clausesOf(query: string): string[] {
  if (contentWords(query).length < LONG_FROM) return [];
  const found: string[] = [];
  for (const part of query.split(BREAKS)) {
    const clause = part.trim();
    if (contentWords(clause).length >= LEAST_WORDS) found.push(clause);
    if (found.length === MOST_CLAUSES) break;
  }
  return found.length > 1 ? found : [];
}
