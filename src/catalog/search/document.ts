import { isPlainObject } from '../../lib/json-object.js';
import { splitIdentifiers } from './tokenize.js';

/** What search knows of a tool. `server` and `tool` together are its identity. */
export interface ToolDocument {
  readonly server: string;
  readonly tool: string;
  readonly title?: string;
  readonly description?: string;
  /** JSON Schema of the arguments; anything else is passed over. */
  readonly inputSchema?: unknown;
  /** What the server says of itself; the same for all its tools. */
  readonly serverText?: string;
  /** What a person wrote beside the definition for others to find it by. */
  readonly hints?: readonly string[];
}

/** The texts of a tool in the parts that are weighed apart, each bounded and with identifiers taken apart. */
export interface DocumentFields {
  readonly name: string;
  readonly description: string;
  readonly parameterNames: string;
  readonly parameters: string;
  readonly server: string;
  readonly serverText: string;
}

const LONGEST = { name: 200, description: 2_000, parameters: 1_500, serverText: 600 };
const MOST_PARAMETERS = 60;
const DEEPEST = 3;

/** Takes a document apart; total length is bounded whatever an upstream sends. */
export function fieldsOf(doc: ToolDocument): DocumentFields {
  const found: { names: string[]; texts: string[] } = { names: [], texts: [] };
  readSchema(doc.inputSchema, found, 0);
  const hints = (doc.hints ?? []).join('. ');
  const title = doc.title !== undefined && doc.title !== doc.tool ? `${doc.title}. ` : '';
  return {
    name: split(doc.tool, LONGEST.name),
    description: split(`${title}${doc.description ?? ''} ${hints}`, LONGEST.description),
    parameterNames: split(found.names.join(' '), LONGEST.parameters),
    parameters: split(found.texts.join(' '), LONGEST.parameters),
    server: split(doc.server, LONGEST.name),
    serverText: split(doc.serverText ?? '', LONGEST.serverText),
  };
}

/** As `fieldsOf`, of a server by itself: its name, what it says, and its tools' names. */
export function serverFields(server: string, docs: readonly ToolDocument[]): DocumentFields {
  const own = docs.find((doc) => doc.serverText !== undefined)?.serverText ?? '';
  const names = docs.map((doc) => doc.tool.slice(0, LONGEST.name)).join(' ');
  return {
    name: split(server, LONGEST.name),
    description: split(own, LONGEST.description),
    parameterNames: '',
    parameters: split(names, LONGEST.description),
    server: '',
    serverText: '',
  };
}

function split(text: string, most: number): string {
  return splitIdentifiers(text.slice(0, most)).trim();
}

function readSchema(schema: unknown, found: { names: string[]; texts: string[] }, depth: number): void {
  if (depth > DEEPEST || !isPlainObject(schema) || !isPlainObject(schema['properties'])) return;
  for (const [name, property] of Object.entries(schema['properties'])) {
    if (found.names.length >= MOST_PARAMETERS) return;
    found.names.push(name);
    if (!isPlainObject(property)) continue;
    if (typeof property['description'] === 'string') found.texts.push(property['description'].slice(0, 300));
    readSchema(property, found, depth + 1);
    readSchema(property['items'], found, depth + 1);
  }
}
