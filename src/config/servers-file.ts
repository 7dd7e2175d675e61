import { readFile } from 'node:fs/promises';
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { RuntimeError } from '../core/errors.js';
import type { ServerDefinition } from '../core/server.js';
import { isPlainObject } from '../lib/json-object.js';
import { type RawServer, resolveServer } from './server-entry.js';
import type { Environment } from './settings.js';

/** Something wrong in the servers file; `server` is set when it concerns one entry alone. */
export interface ConfigProblem {
  readonly server?: string | undefined;
  readonly message: string;
  /** Whether the entry cannot be used; otherwise it is a warning. */
  readonly fatal: boolean;
}

export interface ServersFile {
  readonly path: string;
  readonly definitions: readonly ServerDefinition[];
  readonly problems: readonly ConfigProblem[];
}

/**
 * Reads the servers file. A bad entry is a problem of that entry alone; a file that is no JSON is one problem
 * with line and column. A file that does not exist is an empty one unless `mustExist`.
 */
export async function readServersFile(
  path: string,
  options: { environment: Environment; mustExist: boolean; baseDirectory: string },
): Promise<ServersFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' && !options.mustExist) return { path, definitions: [], problems: [] };
    const why =
      code === 'ENOENT' ? 'it does not exist' : error instanceof Error ? error.message : String(error);
    return {
      path,
      definitions: [],
      problems: [{ message: `The servers file ${path} cannot be read: ${why}.`, fatal: true }],
    };
  }
  return parseServersFile(path, text, options);
}

export function parseServersFile(
  path: string,
  text: string,
  options: { environment: Environment; baseDirectory: string },
): ServersFile {
  const none = (message: string): ServersFile => ({
    path,
    definitions: [],
    problems: [{ message, fatal: true }],
  });
  const errors: ParseError[] = [];
  const root = parse(text.replace(/^\uFEFF/, ' '), errors, { allowTrailingComma: true }) as unknown;
  const [first] = errors;
  if (first && text.trim() !== '') {
    return none(
      `${path}:${position(text, first.offset)}: ${printParseErrorCode(first.error)}: the file is not valid JSON.`,
    );
  }
  if (root === undefined) return { path, definitions: [], problems: [] };
  if (!isPlainObject(root)) return none(`${path}: the file must hold an object with "mcpServers".`);
  const servers = root['mcpServers'] ?? root['servers'];
  if (servers === undefined) return none(`${path}: "mcpServers" is missing.`);
  if (!isPlainObject(servers)) return none(`${path}: "mcpServers" must be an object of servers by name.`);

  const definitions: ServerDefinition[] = [];
  const problems: ConfigProblem[] = [];
  for (const [name, entry] of Object.entries(servers)) {
    if (isPlainObject(entry) && entry['ignore'] === true) continue;
    const resolved = resolveServer(name, entry as RawServer, options);
    for (const message of resolved.warnings) problems.push({ server: name, message, fatal: false });
    if (resolved.definition) definitions.push(resolved.definition);
    else problems.push({ server: name, message: resolved.error, fatal: true });
  }
  return { path, definitions, problems };
}

/** The problem of the whole file as an error, for commands that cannot go on without it. */
export function requireUsable(file: ServersFile): ServersFile {
  const broken = file.problems.find((problem) => problem.fatal && problem.server === undefined);
  if (!broken) return file;
  throw new RuntimeError('CONFIG_INVALID', broken.message, {
    hint: 'Correct the file; `mcp-runtime doctor` checks it.',
  });
}

function position(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return `${line}:${offset - before.lastIndexOf('\n')}`;
}
