import { stem } from './stem.js';
import { STOP_WORDS } from './stop-words.js';

const CAMEL = /(\p{Ll})(\p{Lu})|(\p{Lu})(\p{Lu}\p{Ll})/gu;
// The same for ASCII, at a third of the time.
const ASCII_CAMEL = /([a-z])([A-Z])|([A-Z])([A-Z][a-z])/g;
// A dot or colon before a space ends a sentence and joins nothing.
const JOINTS = /[_/@#\\-]+|[.:]+(?=\S)/g;
const MARKS = /\p{Mn}/gu;
const NOT_ASCII = /[^\x20-\x7e]/;
const WORDS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+|[\p{L}\p{N}\p{Mc}]+/gu;
const UNSPACED = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const LETTERS_DIGITS = /[0-9]+|[^0-9]+/g;
const LONGEST_TERM = 48;

/**
 * Gives `text` with identifiers taken apart: camelCase, snake_case, kebab-case and dotted names become words.
 * Running text keeps its words and loses only such joints.
 */
export function splitIdentifiers(text: string): string {
  return text.replace(NOT_ASCII.test(text) ? CAMEL : ASCII_CAMEL, '$1$3 $2$4').replace(JOINTS, ' ');
}

/**
 * The terms that lexical search matches `text` by, in order and with repeats: identifiers taken apart, lower case,
 * without accents and stop words, stemmed. Scripts that write no spaces give pairs of characters.
 */
export function terms(text: string): string[] {
  return termsOf(splitIdentifiers(text), true);
}

/** As `terms`, of a text whose identifiers are taken apart already. */
export function splitTerms(text: string): string[] {
  return termsOf(text, true);
}

/** As `splitTerms`, with stop words kept: for names, where "off" and "up" are what the tool does. */
export function nameTerms(text: string): string[] {
  return termsOf(text, false);
}

/** The words of `text` that say something, lower case and unstemmed. */
export function contentWords(text: string): string[] {
  const words: string[] = [];
  for (const word of folded(splitIdentifiers(text)).match(WORDS) ?? [])
    if (!STOP_WORDS.has(word)) words.push(word);
  return words;
}

function termsOf(text: string, dropStopWords: boolean): string[] {
  const found: string[] = [];
  for (const word of folded(text).match(WORDS) ?? []) {
    if (dropStopWords && STOP_WORDS.has(word)) continue;
    for (const term of termsOfWord(word)) found.push(term);
  }
  return found;
}

/** A few thousand words are most of what is ever said: each is taken apart once. */
const CACHED_WORDS = 20_000;
const cache = new Map<string, readonly string[]>();

function termsOfWord(word: string): readonly string[] {
  const known = cache.get(word);
  if (known !== undefined) return known;
  const found: string[] = [];
  if (UNSPACED.test(word)) pairs(word, found);
  else if (/\d/.test(word)) parts(word, found);
  else found.push(stem(word.slice(0, LONGEST_TERM)));
  if (word.length > LONGEST_TERM) return found;
  if (cache.size >= CACHED_WORDS) cache.clear();
  cache.set(word, found);
  return found;
}

function folded(text: string): string {
  const lower = text.toLowerCase();
  return NOT_ASCII.test(lower) ? lower.normalize('NFKD').replace(MARKS, '').normalize('NFC') : lower;
}

/** "s3" and "mp4" are words of their own; "page2" is also "page". */
function parts(word: string, found: string[]): void {
  const short = word.slice(0, LONGEST_TERM);
  found.push(short);
  if (short.length < 4) return;
  for (const [part] of short.matchAll(LETTERS_DIGITS))
    if (part.length > 2 && part !== short) found.push(stem(part));
}

function pairs(word: string, found: string[]): void {
  const characters = [...word];
  if (characters.length === 1) found.push(word);
  for (let i = 0; i + 1 < characters.length; i++) found.push(`${characters[i]}${characters[i + 1]}`);
}
