import { expect, test } from 'vitest';
import { stem } from './stem.js';
import { nameTerms, splitIdentifiers, terms } from './tokenize.js';
import { createWordPiece } from './wordpiece.js';

test.each([
  ['getUserProfile', 'get User Profile'],
  ['HTTPServer', 'HTTP Server'],
  ['read_text-file.v2', 'read text file v2'],
  ['plain words', 'plain words'],
])('splits %s', (given, expected) => {
  expect(splitIdentifiers(given)).toBe(expected);
});

test('forms of a word meet in one term', () => {
  for (const forms of [
    ['create', 'creates', 'created', 'creating', 'creation', 'creator'],
    ['query', 'queries'],
    ['run', 'running', 'runs'],
    ['file', 'files'],
    ['search', 'searches', 'searching'],
  ]) {
    expect(new Set(forms.map(stem)).size, forms.join(' ')).toBe(1);
  }
  expect(stem('server')).not.toBe(stem('serve'));
});

test('names keep the little words that texts lose', () => {
  expect(nameTerms('turn off')).toContain('off');
  expect(terms('turn the light off')).not.toContain('off');
});

test('accents, other scripts and digits', () => {
  expect(terms('Café')).toEqual(terms('cafe'));
  expect(terms('搜索工具')).toEqual(['搜索', '索工', '工具']);
  expect(terms('הצג קבצים')).toHaveLength(2);
  expect(terms('mp4 to gif89a')).toEqual(expect.arrayContaining(['mp4', 'gif89a', 'gif']));
});

test('word pieces: longest match, unknown words left out, bounded', () => {
  const { encode } = createWordPiece(['un', '##stage', 'stage', 'file', '##s']);
  expect(encode('Unstage files', 10)).toEqual([0, 1, 3, 4]);
  expect(encode('stage qqq stage', 10)).toEqual([2, 2]);
  expect(encode('stage '.repeat(100), 7)).toHaveLength(7);
});
