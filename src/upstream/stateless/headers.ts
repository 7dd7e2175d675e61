const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const TYPES = new Set(['string', 'integer', 'boolean']);
const KEY = 'x-mcp-header';
/** Deeper schemas declare nothing that anybody could follow. */
const MAX_DEPTH = 64;

/** An argument that is also said in a header. */
export interface HeaderDeclaration {
  /** Where the argument stands. */
  readonly path: readonly string[];
  readonly header: string;
}

/**
 * The `x-mcp-header` annotations of an input schema (2026-07-28), or why they make the tool unusable: one elsewhere
 * than on a property, on a type that has no one spelling, or a name that is none or is used twice.
 */
export function declaredHeaders(
  inputSchema: unknown,
): { readonly declarations: readonly HeaderDeclaration[] } | { readonly fault: string } {
  const declarations: HeaderDeclaration[] = [];
  const names = new Set<string>();
  const visit = (node: unknown, path: readonly string[], isProperty: boolean): string | undefined => {
    if (typeof node !== 'object' || node === null || path.length > MAX_DEPTH) return undefined;
    const schema = node as Record<string, unknown>;
    // Inside `properties` a key is a name, not a keyword: there it is looked at through its own schema.
    if (Object.hasOwn(schema, KEY)) {
      const name = schema[KEY];
      if (!isProperty) return 'an x-mcp-header stands where no property is';
      if (typeof name !== 'string' || !TOKEN.test(name)) return 'an x-mcp-header is no name of a header';
      if (!TYPES.has(String(schema['type'])))
        return `the x-mcp-header ${name} is on a type that has no header`;
      if (names.has(name.toLowerCase())) return `the x-mcp-header ${name} is declared twice`;
      names.add(name.toLowerCase());
      declarations.push({ path, header: `Mcp-Param-${name}` });
    }
    for (const [key, child] of Object.entries(schema)) {
      if (key === KEY || typeof child !== 'object' || child === null) continue;
      const isNames = key === 'properties' && !Array.isArray(child) && (path.length === 0 || isProperty);
      const isMap = isNames || key === '$defs' || key === 'definitions' || key === 'patternProperties';
      const children = isMap || Array.isArray(child) ? Object.entries(child) : [[key, child] as const];
      for (const [name, sub] of children) {
        const fault = visit(sub, [...path, name], isNames);
        if (fault !== undefined) return fault;
      }
    }
    return undefined;
  };
  const fault = visit(inputSchema, [], false);
  return fault === undefined ? { declarations } : { fault };
}

/** What stands in `Mcp-Name`, so that what is between can route by it. */
const NAMES: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

/** Headers that say of a request what its body says. */
export function standardHeaders(
  method: string,
  params: Readonly<Record<string, unknown>> | undefined,
  declarations: readonly HeaderDeclaration[] = [],
): Record<string, string> {
  const name = params?.[NAMES[method] ?? ''];
  const named = typeof name === 'string';
  const headers: Record<string, string> = {
    'mcp-method': method,
    ...(named ? { 'mcp-name': encoded(name) } : {}),
  };
  for (const { path, header } of declarations) {
    const text = spelled(valueAt(params?.['arguments'], path));
    if (text !== undefined) headers[header] = encoded(text);
  }
  return headers;
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  let node = root;
  for (const key of path) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, key)) return undefined;
    node = (node as Record<string, unknown>)[key];
  }
  return node;
}

function spelled(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  return Number.isSafeInteger(value) ? String(value) : undefined;
}

/** A header carries printable ASCII without spaces at its ends; everything else goes as base64. */
function encoded(text: string): string {
  const isPlain = /^[\x20-\x7e]*$/.test(text) && text.trim() === text && !/^=\?base64\?.*\?=$/.test(text);
  return isPlain ? text : `=?base64?${Buffer.from(text, 'utf8').toString('base64')}?=`;
}
