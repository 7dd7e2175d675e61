import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { project } from '../support/runtime.js';
import { faults } from './faults.js';

/** Where a title begins: the string after `describe(`, `it(` or the call that follows their `.each`. */
const TITLE =
  /(?:\b(?:describe|it|test)(?:\.\w+)*\(|\]\s*(?:as const)?,?\s*\)\(|\)\(|`\)\()\s*(['"`])((?:(?!\1)[^\\\n]|\\.)*)\1/g;

function titles(): { title: string; file: string }[] {
  return ['src', 'test'].flatMap((folder) =>
    readdirSync(join(project, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts') && !name.includes('node_modules'))
      .flatMap((name) => {
        const file = join(folder, name);
        const text = readFileSync(join(project, file), 'utf8');
        return [...text.matchAll(TITLE)].map((match) => ({ title: match[2] ?? '', file }));
      }),
  );
}

/** Of `LIF-01, LIF-02: ...` both. */
function idsOf(title: string): string[] {
  const start = /^(?:[A-Z]{3}-\d\d(?:,| and|:)? ?)+/.exec(title)?.[0] ?? '';
  return start.match(/[A-Z]{3}-\d\d/g) ?? [];
}

describe('the faults that are to be survived', () => {
  const tested = new Set(titles().flatMap(({ title }) => idsOf(title)));

  it('each that counts as proven has a test with its id', () => {
    const missing = [...faults].filter(([id, { state }]) => state === 'proven' && !tested.has(id));
    expect(missing.map(([id]) => id)).toEqual([]);
  });

  it('titles are found where they stand', () => {
    expect(titles().length).toBeGreaterThan(300);
    expect(idsOf('REM-05 a server that asks')).toEqual(['REM-05']);
    expect(idsOf('LIF-01, LIF-02: two of them')).toEqual(['LIF-01', 'LIF-02']);
    expect(idsOf('as in LIF-01')).toEqual([]);
  });

  it('what is shown elsewhere says where', () => {
    for (const [, proof] of faults) if (proof.state === 'elsewhere') expect(proof.by).not.toBe('');
  });
});
