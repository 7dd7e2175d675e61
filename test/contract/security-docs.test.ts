import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { project } from '../support/runtime.js';

const text = readFileSync(join(project, 'docs/security.md'), 'utf8');
const rows = (text.split('## What is promised')[1]?.split('## What is not promised')[0] ?? '')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| promise'));

/** Everything that stands in quotes at the beginning of a test or a group of tests. */
function titles(): string[] {
  return ['src', 'test'].flatMap((folder) =>
    readdirSync(join(project, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts') && !name.includes('node_modules'))
      .flatMap(
        (name) =>
          readFileSync(join(project, folder, name), 'utf8').match(
            /['"`](?:[A-Z]{3}-\d\d(?:,| and|:)? ?)+/g,
          ) ?? [],
      ),
  );
}

describe('docs/security.md', () => {
  const tested = new Set(titles().flatMap((title) => title.match(/[A-Z]{3}-\d\d/g) ?? []));

  it.each(rows)('%s', (row) => {
    const [, promise = '', proof = ''] = row.split('|').map((cell) => cell.trim());
    expect(promise).not.toBe('');
    const ids = proof.match(/[A-Z]{3}-\d\d/g) ?? [];
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.filter((id) => !tested.has(id))).toEqual([]);
  });

  it('names files that are there', () => {
    for (const file of ['docs/security.md', 'SECURITY.md'])
      for (const [, link = ''] of readFileSync(join(project, file), 'utf8').matchAll(/\]\(([^)#:]+)/g))
        expect(existsSync(join(project, dirname(file), link)), link).toBe(true);
    expect(rows.length).toBeGreaterThan(15);
  });
});
