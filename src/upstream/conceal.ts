import { RuntimeError } from '../core/errors.js';
import type { SessionEnd } from '../core/upstream.js';

/** Takes values that must not be seen out of what a server says. */
export interface Concealer {
  bytes(message: Buffer): Buffer;
  text(text: string): string;
  error(error: unknown): unknown;
  end(end: SessionEnd): SessionEnd;
}

interface Needle {
  readonly wanted: Buffer;
  readonly instead: Buffer;
}

/** What is shorter would be found in what has nothing to do with it. */
const MIN_CHARS = 6;
/** Of a value inside of something longer that is base64: the letters at both ends depend on what stands beside it. */
const MIN_INSIDE_BASE64 = 8;

/**
 * @param values by the name that stands in their place. Found are the values themselves, and in JSON, URL, hex and
 * base64 form: what happens by mistake. A server that wants to give its secret away can always do so.
 * @returns undefined when there is nothing to look for, so that nobody pays for it.
 */
export function concealer(values: ReadonlyMap<string, string>): Concealer | undefined {
  const needles = [...values]
    .filter(([, value]) => value.length >= MIN_CHARS)
    .flatMap(([name, value]) => needlesOf(`[secret ${name}]`, value))
    // A longer one may hold a shorter one.
    .sort((a, b) => b.wanted.length - a.wanted.length);
  if (needles.length === 0) return undefined;
  const bytes = (message: Buffer) => needles.reduce(replaceAll, message);
  const text = (given: string) => {
    const before = Buffer.from(given, 'utf8');
    const after = bytes(before);
    return after === before ? given : after.toString('utf8');
  };
  const deep = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value);
    if (Array.isArray(value)) return value.map(deep);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [text(key), deep(inner)]));
  };
  return {
    bytes,
    text,
    error: (error) => {
      if (!(error instanceof RuntimeError)) return error;
      const { code, message, hint, data, retryable } = error;
      // Its cause is not taken over: nobody looks into what a library put there.
      return new RuntimeError(code, text(message), {
        retryable,
        ...(hint === undefined ? {} : { hint: text(hint) }),
        ...(data === undefined ? {} : { data: deep(data) as Readonly<Record<string, unknown>> }),
      });
    },
    end: (end) => ({
      ...end,
      message: text(end.message),
      ...(end.stderr === undefined ? {} : { stderr: text(end.stderr) }),
    }),
  };
}

function needlesOf(label: string, value: string): Needle[] {
  const raw = Buffer.from(value, 'utf8');
  const json = jsonForms(value);
  const forms = new Set([
    value,
    ...json,
    // A text that is JSON itself stands escaped twice.
    ...json.flatMap(jsonForms),
    encodeURIComponent(value),
    raw.toString('hex'),
    raw.toString('hex').toUpperCase(),
    ...base64Forms(raw),
  ]);
  return [...forms].map((form) => ({
    wanted: Buffer.from(form, 'utf8'),
    instead: Buffer.from(label, 'utf8'),
  }));
}

function jsonForms(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1);
  // Python and PHP escape what JavaScript does not.
  const ascii = json.replace(
    /[\u007f-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return [json, ascii, json.replaceAll('/', '\\/')];
}

/** As it stands alone, and at each of the three places where it may begin inside of something longer. */
function base64Forms(raw: Buffer): string[] {
  const alone = raw.toString('base64');
  const forms = [alone, alone.replace(/=+$/, '')];
  for (const before of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(before), raw])
      .toString('base64')
      .replace(/=+$/, '');
    const cutFront = Math.ceil((before * 8) / 6);
    const cutBack = (before + raw.length) % 3 === 0 ? 0 : 1;
    const inside = padded.slice(cutFront, padded.length - cutBack);
    if (inside.length >= MIN_INSIDE_BASE64) forms.push(inside);
  }
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}

/** @returns the very same buffer where nothing was found. */
function replaceAll(message: Buffer, { wanted, instead }: Needle): Buffer {
  let found = message.indexOf(wanted);
  if (found < 0) return message;
  const pieces: Buffer[] = [];
  let from = 0;
  for (; found >= 0; found = message.indexOf(wanted, from)) {
    pieces.push(message.subarray(from, found), instead);
    from = found + wanted.length;
  }
  pieces.push(message.subarray(from));
  return Buffer.concat(pieces);
}
