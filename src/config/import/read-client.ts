import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { parse as parseToml } from 'smol-toml';
import { type Dialect, dialects } from './client-dialects.js';
import type { ClientId } from './clients.js';
import { asObject, type Json, type RawEntry } from './raw-entry.js';
import { type SecretFound, SecretVault, variableName } from './secrets.js';

export interface ImportedServer {
  readonly name: string;
  /** As our servers file has it, without secrets. */
  readonly definition: RawEntry;
}

export interface ClientConfig {
  readonly servers: readonly ImportedServer[];
  /** What was left out or needs a look, one sentence each; never a secret. */
  readonly problems: readonly string[];
  /** Secrets that were replaced by `${env:VARIABLE}`. */
  readonly secretsFound: readonly SecretFound[];
}

export interface ReadOptions {
  /** For `${userHome}` and `~`. */
  readonly home?: string | undefined;
  /** For `${workspaceFolder}`. */
  readonly workspace?: string | undefined;
  /** The names under which we stand in clients' files: importing ourselves would start us from within. */
  readonly ourNames?: readonly string[] | undefined;
}

/** The servers in another client's configuration. Never throws: what cannot be read is a problem. */
export function readClientConfig(client: ClientId, content: string, options: ReadOptions = {}): ClientConfig {
  const dialect = dialects[client];
  const problems: string[] = [];
  const vault = new SecretVault();
  const servers = new Map<string, RawEntry>();
  for (const [name, entry] of serversIn(dialect, content, problems)) {
    if (servers.has(name)) {
      problems.push(`${quoted(name)} is there more than once; the first one counts.`);
      continue;
    }
    const json = asObject(entry);
    const read = json ? dialect.read(json) : 'its entry is no object';
    if (typeof read === 'string') problems.push(`${quoted(name)} is left out: ${read}.`);
    else if (isUs(read, options.ourNames ?? ['mcp-runtime']))
      problems.push(`${quoted(name)} is left out: it is mcp-runtime itself.`);
    else {
      if (json?.['envFile'] !== undefined)
        problems.push(`${quoted(name)}: its envFile is not read; set its variables yourself.`);
      servers.set(name, withoutSecrets(name, filled(name, read, options, problems), vault));
    }
  }
  return {
    servers: [...servers].map(([name, definition]) => ({ name, definition })),
    problems,
    secretsFound: vault.found,
  };
}

function serversIn(dialect: Dialect, content: string, problems: string[]): [string, unknown][] {
  const file = parsed(dialect.format, content.replace(/^\uFEFF/, ''), problems);
  if (!file) return [];
  return dialect.servers(file).flatMap((servers) => {
    const byName = asObject(servers);
    if (servers !== undefined && !byName) problems.push('The list of servers is no object.');
    return Object.entries(byName ?? {});
  });
}

/** JSON with comments and trailing commas, as most of these clients accept, or TOML. */
function parsed(format: Dialect['format'], content: string, problems: string[]): Json | undefined {
  if (content.trim() === '') return undefined;
  let value: unknown;
  if (format === 'toml') {
    try {
      value = parseToml(content);
    } catch (error) {
      const line = error instanceof Error && 'line' in error ? ` in line ${String(error.line)}` : '';
      problems.push(`The file is not TOML${line}.`);
      return undefined;
    }
  } else {
    const errors: ParseError[] = [];
    value = parse(content, errors, { allowTrailingComma: true });
    const [first] = errors;
    if (first) {
      // The parser would go on, with entries that are cut off.
      const line = content.slice(0, first.offset).split('\n').length;
      problems.push(`The file is not JSON: ${printParseErrorCode(first.error)} in line ${line}.`);
      return undefined;
    }
  }
  const object = asObject(value);
  if (!object) problems.push('The file holds no object.');
  return object;
}

/** Replaces what only the client itself knows by what we know, and questions to its user by variables. */
function filled(
  name: string,
  entry: RawEntry,
  { home, workspace }: ReadOptions,
  problems: string[],
): RawEntry {
  const known: Readonly<Record<string, string | undefined>> = {
    userHome: home,
    workspaceFolder: workspace,
    workspaceRoot: workspace,
    pathSeparator: '/',
    '/': '/',
  };
  const fill = (text: string) =>
    text
      .replace(/\$\{input:([^}]+)\}/g, (_, id: string) => `\${env:${variableName(id)}}`)
      .replace(
        /\$\{(userHome|workspaceFolder|workspaceRoot|pathSeparator|\/)(?::[^}]*)?\}/g,
        (whole, id: string) => {
          const value = known[id];
          if (value === undefined)
            problems.push(`${quoted(name)}: ${whole} means nothing outside of its client; write the path.`);
          return value ?? whole;
        },
      );
  const fillAll = (values: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, fill(value)]));
  return {
    ...entry,
    ...(entry.command === undefined ? {} : { command: fill(entry.command) }),
    ...(entry.args === undefined ? {} : { args: entry.args.map(fill) }),
    ...(entry.env === undefined ? {} : { env: fillAll(entry.env) }),
    ...(entry.cwd === undefined ? {} : { cwd: fill(entry.cwd) }),
    ...(entry.url === undefined ? {} : { url: fill(entry.url) }),
    ...(entry.headers === undefined ? {} : { headers: fillAll(entry.headers) }),
  };
}

function withoutSecrets(name: string, entry: RawEntry, vault: SecretVault): RawEntry {
  return {
    ...entry,
    ...(entry.args === undefined ? {} : { args: vault.args(name, entry.args) }),
    ...(entry.env === undefined ? {} : { env: vault.env(name, entry.env) }),
    ...(entry.url === undefined ? {} : { url: vault.url(name, entry.url) }),
    ...(entry.headers === undefined ? {} : { headers: vault.headers(name, entry.headers) }),
  };
}

function isUs(entry: RawEntry, names: readonly string[]): boolean {
  const words = [entry.command ?? '', ...(entry.args ?? [])].map(
    (word) => /([^/\\]+?)(@[\w.^~-]+)?$/.exec(word)?.[1] ?? '',
  );
  return words.slice(0, 4).some((word) => names.includes(word));
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 120));
}
