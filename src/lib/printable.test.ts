import { describe, expect, it } from 'vitest';
import { backoffDelay } from './backoff.js';
import { ByteRing } from './byte-ring.js';
import { escapeUnseenJson, exact } from './escape.js';
import { cut, hasUnseen, lastLines, oneLine, printable, visible } from './printable.js';

describe('printable', () => {
  it('takes terminal sequences and unseen characters away, and keeps the text', () => {
    const nasty =
      '\x1b[2J\x1b[H\x1b]0;TITLE\x07\x1b]8;;https://a.invalid\x07click\x1b]8;;\x07 \x1b[1Aover \u009b31mC1 abc\b\b \x00NUL \x7f\u202eevil\u200b';
    expect(printable(nasty)).toBe('click over C1 abc NUL evil');
    expect(printable('a\r\nb\rc\td')).toBe('a\nb\nc\td');
    expect(printable('ÄÖ 漢字 🎉')).toBe('ÄÖ 漢字 🎉');
  });

  it('finds what is hidden in tags, selectors of variants and fillers, and lets emoji be', () => {
    const tags = [...'ignore'].map((c) => String.fromCodePoint(0xe0000 + c.charCodeAt(0))).join('');
    expect(printable(`Adds.${tags}`)).toBe('Adds.');
    expect(printable('a\u{e0101}\u{e0155}b\ufe01\ufe02c\u00ad\u3164')).toBe('abc');
    expect(visible('👩‍💻 ❤️ a\u200bb')).toBe('👩‍💻 ❤️ ab');
    expect(hasUnseen('👩‍💻 ❤️ plain')).toBe(false);
    expect(hasUnseen(`flag 🏴${tags}`)).toBe(true);
  });

  it('shows exactly what is there', () => {
    expect(exact('a"\u001b[31m\u202e\n ü')).toBe('"a\\"\\u001b[31m\\u{202e}\\n ü"');
    const record = JSON.stringify({ text: 'a\u009b31m\u202e\u{e0041}\\u{41}' });
    const line = escapeUnseenJson(record);
    expect(line).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(line)).toEqual(JSON.parse(record));
  });

  it('cuts at bytes, never inside a character', () => {
    expect(cut('éééé', 8)).toBe('éééé');
    expect(cut('ééééé', 8)).toBe('éé…');
  });

  it('makes one line of it', () => {
    expect(oneLine('a\n\n b\t c ', 10)).toBe('a b c');
    expect(oneLine('x'.repeat(500), 10)).toBe(`${'x'.repeat(9)}…`);
  });

  it('keeps whole lines at the end, and whole characters', () => {
    expect(lastLines('first line\nsecond\nthird\n', 14)).toBe('second\nthird');
    expect(lastLines('é'.repeat(20), 5)).toBe('éé');
    expect(lastLines('', 5)).toBe('');
  });
});

describe('ByteRing', () => {
  it('keeps the last bytes', () => {
    const ring = new ByteRing(10);
    for (let i = 0; i < 5_000; i += 1) ring.write(Buffer.from(String(i % 10)));
    expect(ring.bytes().toString()).toBe('0123456789');
    ring.write(Buffer.from('a much longer text'));
    expect(ring.bytes().toString()).toBe('onger text');
    expect(ring.total).toBe(5_018);
  });
});

describe('backoffDelay', () => {
  it('doubles up to the cap, less the jitter', () => {
    const delays = [1, 2, 3, 9].map((attempt) =>
      backoffDelay(attempt, { baseMs: 100, capMs: 1_000, random: () => 0 }),
    );
    expect(delays).toEqual([100, 200, 400, 1_000]);
    expect(backoffDelay(1, { baseMs: 100, capMs: 1_000, random: () => 1 })).toBe(50);
  });
});
