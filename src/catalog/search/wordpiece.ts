/** Splits text into ids of a vocabulary the way uncased BERT does, so that one table serves a teacher and its student. */
export interface WordPiece {
  /** Ids of `text`, at most `maxTokens` of them, without [CLS] and [SEP]; what the vocabulary lacks is left out. */
  encode(text: string, maxTokens: number): number[];
  /** Whether `word` (lower case) is in the vocabulary as a whole. */
  has(word: string): boolean;
}

const WORDS = /[\p{L}\p{N}\p{M}\p{Co}\p{Cn}]+|[^\s\p{C}\p{Z}]/gu;
const COMBINING = /\p{Mn}/gu;
const NOT_ASCII = /[^\x20-\x7e]/;
const IDEOGRAPH =
  /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b820}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;
const LONGEST_WORD = 64;
const CACHED_WORDS = 20_000;

/** A tokenizer over `vocabulary`, whose index is the id; pieces that continue a word begin with `##`. */
export function createWordPiece(vocabulary: readonly string[]): WordPiece {
  const ids = new Map<string, number>();
  for (const [id, piece] of vocabulary.entries()) if (piece !== '') ids.set(piece, id);
  const cache = new Map<string, readonly number[]>();

  const split = (word: string): readonly number[] => {
    const known = cache.get(word);
    if (known !== undefined) return known;
    const pieces = splitWord(word, ids);
    // Dropping all at once keeps the cost constant; the frequent words are back after a few texts.
    if (cache.size >= CACHED_WORDS) cache.clear();
    cache.set(word, pieces);
    return pieces;
  };

  return {
    has: (word) => ids.has(word),
    encode(text, maxTokens) {
      const found: number[] = [];
      for (const word of normalise(text).match(WORDS) ?? []) {
        for (const id of split(word)) {
          if (found.length >= maxTokens) return found;
          found.push(id);
        }
      }
      return found;
    },
  };
}

function normalise(text: string): string {
  const lower = text.toLowerCase();
  if (!NOT_ASCII.test(lower)) return lower;
  return lower.normalize('NFD').replace(COMBINING, '').replace(IDEOGRAPH, ' $& ');
}

/** Greedy longest match; a word with a part that no piece covers has no ids at all, as in BERT. */
function splitWord(word: string, ids: ReadonlyMap<string, number>): readonly number[] {
  if (word.length > LONGEST_WORD) return [];
  const pieces: number[] = [];
  let start = 0;
  while (start < word.length) {
    let end = word.length;
    let id: number | undefined;
    for (; end > start; end--) {
      const piece = word.slice(start, end);
      id = ids.get(start === 0 ? piece : `##${piece}`);
      if (id !== undefined) break;
    }
    if (id === undefined) return [];
    pieces.push(id);
    start = end;
  }
  return pieces;
}
