import {
  applyEdits,
  createScanner,
  findNodeAtLocation,
  modify,
  type Node,
  type ParseError,
  parse,
  parseTree,
} from 'jsonc-parser';
import { RuntimeError } from '../core/errors.js';
import { canonicalJson } from '../lib/hash.js';
import { isPlainObject } from '../lib/json-object.js';
import type { RawEntry } from './import/raw-entry.js';

const BOM = '\uFEFF';
const COMMA = 5;
const LENIENT = { allowTrailingComma: true } as const;

/** The names of the servers that stand in the text of a servers file. @throws RuntimeError CONFIG_INVALID */
export function serverNames(text: string): string[] {
  return Object.keys(serversOf(text));
}

/**
 * The text of a servers file with this entry in it; comments and layout of the rest stay.
 * @throws RuntimeError CONFIG_INVALID when the file is none.
 */
export function withServer(text: string, name: string, entry: RawEntry): string {
  return edit(text, name, entry, (body) => {
    const key = keyOf(body);
    const last = body.trim() === '' ? undefined : servers(body, key)?.children?.at(-1);
    if (last && !serverNames(body).includes(name)) return appended(body, last, name, entry);
    return applyEdits(body, modify(body, [key, name], entry, { formattingOptions: layoutOf(body) }));
  });
}

/** The text without the entry. @throws RuntimeError CONFIG_INVALID, SERVER_NOT_FOUND */
export function withoutServer(text: string, name: string): string {
  if (!serverNames(text).includes(name))
    throw new RuntimeError('SERVER_NOT_FOUND', `The servers file has no server ${JSON.stringify(name)}.`);
  return edit(text, name, undefined, (body) => {
    const property = servers(body, keyOf(body))?.children?.find((one) => one.children?.[0]?.value === name);
    return property ? cut(body, property) : body;
  });
}

/** An edit that does not say afterwards what it should is not made: a file may have a name twice, for example. */
function edit(
  text: string,
  name: string,
  entry: RawEntry | undefined,
  change: (body: string) => string,
): string {
  serversOf(text);
  const body = text.startsWith(BOM) ? text.slice(1) : text;
  const changed = change(body);
  const after = serversOf(changed);
  const found = Object.hasOwn(after, name) ? after[name] : undefined;
  if (canonicalJson(found ?? null) !== canonicalJson(entry ?? null)) {
    throw new RuntimeError(
      'CONFIG_INVALID',
      `The servers file cannot be edited at ${JSON.stringify(name)}.`,
      {
        hint: 'Edit it by hand; perhaps it has that name more than once.',
      },
    );
  }
  return (text.startsWith(BOM) ? BOM : '') + changed;
}

function serversOf(text: string): Record<string, unknown> {
  const errors: ParseError[] = [];
  const body = text.startsWith(BOM) ? text.slice(1) : text;
  if (body.trim() === '') return {};
  const root: unknown = parse(body, errors, LENIENT);
  const servers = isPlainObject(root) ? (root['mcpServers'] ?? root['servers'] ?? {}) : undefined;
  if (errors.length > 0 || !isPlainObject(servers))
    throw new RuntimeError('CONFIG_INVALID', 'The servers file is not valid, so nothing is written to it.', {
      hint: '`mcp-runtime doctor` says where.',
    });
  return servers;
}

function keyOf(body: string): 'mcpServers' | 'servers' {
  const root: unknown = parse(body, [], LENIENT);
  return isPlainObject(root) && root['mcpServers'] === undefined && root['servers'] !== undefined
    ? 'servers'
    : 'mcpServers';
}

function servers(body: string, key: string): Node | undefined {
  const root = parseTree(body, [], LENIENT);
  return root && findNodeAtLocation(root, [key]);
}

/** Behind the last entry, in its layout. (jsonc-parser would lay out the last entry anew.) */
function appended(body: string, last: Node, name: string, entry: RawEntry): string {
  const end = last.offset + last.length;
  const comma = nextComma(body, end);
  const indent = /(?:^|\n)([ \t]*)$/.exec(body.slice(0, last.offset))?.[1];
  const { eol, insertSpaces, tabSize } = layoutOf(body);
  const property = `${JSON.stringify(name)}: ${JSON.stringify(entry, undefined, insertSpaces ? tabSize : '\t')}`;
  const after = comma === undefined ? '' : ',';
  if (indent === undefined) {
    const flat = `${JSON.stringify(name)}: ${JSON.stringify(entry)}${after}`;
    return comma === undefined
      ? `${body.slice(0, end)},${flat}${body.slice(end)}`
      : `${body.slice(0, comma + 1)}${flat}${body.slice(comma + 1)}`;
  }
  const head = comma === undefined ? `${body.slice(0, end)},` : body.slice(0, comma + 1);
  const tail = body.slice(comma === undefined ? end : comma + 1);
  // A remark behind the last entry stays beside it.
  const remark = /^[ \t]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/[ \t]*(?=[\r\n]))/.exec(tail)?.[0] ?? '';
  const laid = property.split('\n').join(`${eol}${indent}`);
  return `${head}${remark}${eol}${indent}${laid}${after}${tail.slice(remark.length)}`;
}

function layoutOf(body: string) {
  const [, indent = '  '] = /\n([ \t]+)\S/.exec(body) ?? [];
  const eol = body.includes('\r\n') ? '\r\n' : '\n';
  return { insertSpaces: !indent.startsWith('\t'), tabSize: Math.min(indent.length, 8), eol };
}

/** Takes out one property and one comma. (jsonc-parser leaves a comma alone where the last property has one.) */
function cut(body: string, property: Node): string {
  const end = property.offset + property.length;
  const comma = nextComma(body, end);
  if (comma !== undefined) return join(body.slice(0, property.offset), body.slice(comma + 1));
  const siblings = property.parent?.children ?? [];
  const before = siblings[siblings.indexOf(property) - 1];
  const rest = body.slice(end);
  if (!before) return join(body.slice(0, property.offset), rest);
  const separator = nextComma(body, before.offset + before.length) ?? property.offset;
  return join(body.slice(0, separator) + body.slice(separator + 1, property.offset), rest);
}

/** Where the next comma is, if nothing but space and comments stands before it. */
function nextComma(body: string, from: number): number | undefined {
  const scanner = createScanner(body, true);
  scanner.setPosition(from);
  return (scanner.scan() as number) === COMMA ? scanner.getTokenOffset() : undefined;
}

/** Without the line that is empty now. */
function join(before: string, after: string): string {
  return /\n[ \t]*$/.test(before) && /^[ \t]*\r?\n/.test(after)
    ? before.replace(/\r?\n[ \t]*$/, '') + after.replace(/^[ \t]*/, '')
    : before + after;
}
