// Terminal sequences: CSI, OSC (ended by BEL or ST), and the other two-byte escapes; also with the 8-bit introducers.
const terminal =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/g;
// Other control characters, and those that are invisible or turn the direction of text: format characters (bidirectional
// ones, zero width ones, tags), fillers, lone surrogates, selectors of variants where they carry data instead of a variant.
const unseen =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u115f\u1160\u2028\u2029\u3164\uffa0\p{Cf}\p{Cs}]|\u034f|\u17b4|\u17b5|[\u180b-\u180f]|[\ufe00-\ufe0f]{2,}|[\u{e0000}-\u{e0fff}]/gu;
/** What joins letters and emoji, or ends a line, and so may belong to a value that a program compares. */
const meant = /[\r\u200c\u200d]/;

/** Foreign text made harmless for a terminal, a log or a message: line feeds and tabs stay, other control characters go. */
export function printable(text: string): string {
  return text.replace(terminal, '').replace(/\r\n?/g, '\n').replace(unseen, '');
}

/** A value that a program compares, without what nobody sees in it; line ends and what joins emoji stay. */
export function visible(text: string): string {
  return text.replace(terminal, '').replace(unseen, (found) => (meant.test(found) ? found : ''));
}

/** Whether a text holds what nobody sees in it, or what a terminal obeys. */
export function hasUnseen(text: string): boolean {
  return visible(text) !== text;
}

/** At most so many bytes of UTF-8, never a torn character; what is cut off is marked. */
export function cut(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text, 'utf8') <= maxBytes) return text;
  const end = '…';
  const head = Buffer.from(text, 'utf8').subarray(0, maxBytes - Buffer.byteLength(end, 'utf8'));
  return new TextDecoder('utf-8').decode(head).replace(/\ufffd+$/, '') + end;
}

/** Foreign text in one line of at most `max` characters; what is cut off is marked. */
export function oneLine(text: string, max = 200): string {
  // Cut before the work too: the text may be megabytes.
  const line = printable(text.slice(0, max * 20))
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > max ? `${line.slice(0, max - 1)}…` : line;
}

/** The last lines that fit into `maxBytes` of UTF-8, never cut inside a character. */
export function lastLines(text: string, maxBytes: number): string {
  const clean = Buffer.from(printable(text).trimEnd(), 'utf8');
  if (clean.byteLength <= maxBytes) return clean.toString('utf8');
  let start = clean.byteLength - maxBytes;
  // 10xxxxxx is the middle of a character.
  while (start < clean.byteLength && ((clean[start] ?? 0) & 0xc0) === 0x80) start += 1;
  const tail = clean.subarray(start).toString('utf8');
  const firstEnd = tail.indexOf('\n');
  return firstEnd >= 0 && firstEnd < tail.length - 1 ? tail.slice(firstEnd + 1) : tail;
}
