const VOWEL = /[aeiouy]/;

/**
 * A light English stemmer: brings plural, -ing, -ed, -tion and -tor forms of a word to one key
 * (`creates`, `creating`, `creation`, `creator` → `creat`). The key need not be a word.
 */
export function stem(word: string): string {
  if (word.length < 4 || !/^[a-z]+$/.test(word)) return word;
  let base = withoutPlural(word);
  for (const suffix of ['ing', 'ed', 'er', 'or', 'ion']) {
    if (!base.endsWith(suffix)) continue;
    const rest = base.slice(0, -suffix.length);
    if (rest.length < 3 || !VOWEL.test(rest)) break;
    // -er, -or and -ion are endings only after t or s: "server" is not "serv", "region" is not "reg".
    if (suffix.length === 2 && suffix !== 'ed' && !/[tsz]$/.test(rest)) break;
    if (suffix === 'ion' && !/[tsc]$/.test(rest)) break;
    if (suffix === 'er' && rest.length < 5) break;
    base = undoubled(rest);
    break;
  }
  if (base.length > 3 && base.endsWith('e')) base = base.slice(0, -1);
  if (base.length > 3 && base.endsWith('y')) base = `${base.slice(0, -1)}i`;
  return base;
}

function withoutPlural(word: string): string {
  if (word.endsWith('ies') && word.length > 4) return `${word.slice(0, -3)}y`;
  if (/(ss|sh|ch|x|z)es$/.test(word)) return word.slice(0, -2);
  if (word.endsWith('s') && !/(ss|us|is)$/.test(word)) return word.slice(0, -1);
  return word;
}

function undoubled(word: string): string {
  return /([bdfgkmnprt])\1$/.test(word) ? word.slice(0, -1) : word;
}
