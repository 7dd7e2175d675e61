/** What a text is, said in a few words so that the next question about it can be precise. */
export interface Outline {
  readonly kind: 'JSON' | 'JSON Lines' | 'CSV' | 'text';
  /** The shape of JSON, the columns of CSV; at most some 800 characters. */
  readonly detail?: string | undefined;
}

const MAX_DETAIL = 800;
/** Beyond this, parsing only to describe costs more than the description is worth (some 0.15 s). */
const MAX_PARSED = 16 * 1024 * 1024;

/** @param start its beginning. @param whole is asked for only when it is short enough to be looked through. */
export function outlineText(
  start: string,
  mimeType = '',
  chars = start.length,
  whole = () => start,
): Outline {
  const head = start.slice(0, 20_000).trimStart();
  if (head.startsWith('{') || head.startsWith('[')) {
    const value = chars <= MAX_PARSED ? parse(whole()) : undefined;
    if (value !== undefined) return { kind: 'JSON', detail: outlineValue(value) };
    const lines = completeLines(head, 3);
    const first =
      lines.length === 3 && lines.every((line) => parse(line) !== undefined) ? lines[0] : undefined;
    if (first !== undefined) return { kind: 'JSON Lines', detail: `each line ${outlineValue(parse(first))}` };
    if (chars > MAX_PARSED && mimeType.includes('json')) return { kind: 'JSON' };
  }
  return csvOutline(head, mimeType) ?? { kind: 'text' };
}

/** The shape of a JSON value: `{items: array(120) of {id: number, tags: array(3) of string}, total: number}`. */
export function outlineValue(value: unknown): string {
  for (const [depth, keys] of [
    [5, 24],
    [4, 16],
    [3, 12],
    [2, 8],
  ] as const) {
    const shape = shapeOf(value, depth, keys);
    if (shape.length <= MAX_DETAIL) return shape;
  }
  return `${shapeOf(value, 1, 8).slice(0, MAX_DETAIL)}…`;
}

function shapeOf(value: unknown, depth: number, keys: number): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) {
    if (value.length === 0) return 'array(0)';
    if (depth <= 0) return `array(${value.length})`;
    const kinds = new Set(
      value
        .slice(0, 100)
        .map((item) => (Array.isArray(item) ? 'array' : item === null ? 'null' : typeof item)),
    );
    const of = kinds.size === 1 ? shapeOf(value[0], depth - 1, keys) : [...kinds].join(' | ');
    return `array(${value.length}) of ${of}`;
  }
  if (typeof value !== 'object') return typeof value;
  const names = Object.keys(value);
  if (depth <= 0) return `object(${names.length} keys)`;
  const shown = names
    .slice(0, keys)
    .map((name) => `${keyName(name)}: ${shapeOf((value as Record<string, unknown>)[name], depth - 1, keys)}`);
  if (names.length > keys) shown.push(`… ${names.length - keys} more keys`);
  return `{${shown.join(', ')}}`;
}

const keyName = (name: string) => {
  const short = name.length > 60 ? `${name.slice(0, 60)}…` : name;
  return /^[\w$-]+$/.test(short) ? short : JSON.stringify(short);
};

function csvOutline(head: string, mimeType: string): Outline | undefined {
  const lines = completeLines(head, 6);
  const header = lines[0];
  if (header === undefined || lines.length < 3) return undefined;
  const claimed = /csv|tab-separated/.test(mimeType);
  for (const delimiter of ['\t', ',', ';', '|']) {
    const counts = lines.map((line) => splitCsv(line, delimiter).length);
    const columns = counts[0] ?? 1;
    // Prose has commas too: without a declared type every line must have the same three or more columns.
    if (columns < (claimed ? 2 : 3) || !counts.every((count) => count === columns)) continue;
    const names = splitCsv(header, delimiter).map((name) => name.trim().slice(0, 40));
    if (!claimed && names.some((name) => name === '' || /[.!?]$/.test(name) || name.split(' ').length > 4))
      continue;
    const detail = `${columns} columns: ${names.join(', ')}`;
    return { kind: 'CSV', detail: detail.length > MAX_DETAIL ? `${detail.slice(0, MAX_DETAIL)}…` : detail };
  }
  return undefined;
}

/** Enough for a header: quotes are respected, a doubled quote stays doubled. */
function splitCsv(line: string, delimiter: string): string[] {
  const cells: string[] = [];
  let cell = '';
  let quoted = false;
  for (const char of line) {
    if (char === '"') quoted = !quoted;
    else if (char === delimiter && !quoted) {
      cells.push(cell);
      cell = '';
    } else cell += char;
  }
  return [...cells, cell];
}

function completeLines(head: string, most: number): string[] {
  const lines = head.split(/\r?\n/);
  // The last one may have been cut off with the head.
  return lines.slice(0, Math.min(most, lines.length - 1)).filter((line) => line !== '');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
