import type { ClientId } from './clients.js';
import { asObject, type Json, type RawEntry, text, textList, textRecord } from './raw-entry.js';

/** How one client writes its servers down. */
export interface Dialect {
  readonly format: 'jsonc' | 'toml';
  /** The objects that hold servers by name, the most general one first. */
  readonly servers: (file: Json) => readonly unknown[];
  /** One server of this client -> ours, or why not. */
  readonly read: (entry: Json) => RawEntry | string;
}

const mcpServers = (file: Json) => [file['mcpServers']];

export const dialects: Readonly<Record<ClientId, Dialect>> = {
  'claude-desktop': { format: 'jsonc', servers: mcpServers, read: common },
  'claude-code': {
    format: 'jsonc',
    // ~/.claude.json keeps the servers of each project beside those of the user.
    servers: (file) => [
      file['mcpServers'],
      ...Object.values(asObject(file['projects']) ?? {}).map((project) => asObject(project)?.['mcpServers']),
    ],
    read: common,
  },
  cursor: { format: 'jsonc', servers: mcpServers, read: common },
  vscode: {
    format: 'jsonc',
    // mcp.json has them at the top, settings.json under "mcp", files shared with other clients under "mcpServers".
    servers: (file) => [file['servers'], asObject(file['mcp'])?.['servers'], file['mcpServers']],
    read: common,
  },
  cline: { format: 'jsonc', servers: mcpServers, read: common },
  windsurf: {
    format: 'jsonc',
    servers: mcpServers,
    read: (entry) => common({ ...entry, url: entry['url'] ?? entry['serverUrl'] }),
  },
  zed: { format: 'jsonc', servers: (file) => [file['context_servers']], read: readZed },
  codex: { format: 'toml', servers: (file) => [file['mcp_servers']], read: readCodex },
  gemini: { format: 'jsonc', servers: mcpServers, read: readGemini },
};

/** What nearly all of them share. */
function common(entry: Json): RawEntry | string {
  const disabled = entry['disabled'] === true || entry['enabled'] === false ? { disabled: true } : {};
  const timeout =
    typeof entry['timeout'] === 'number' && entry['timeout'] > 0 && entry['timeout'] <= 3600
      ? { timeout: entry['timeout'] }
      : {};
  const command = text(entry['command']);
  if (command !== undefined) {
    const env = textRecord(entry['env']);
    const cwd = text(entry['cwd']);
    return {
      command,
      args: textList(entry['args']),
      ...(Object.keys(env).length === 0 ? {} : { env }),
      ...(cwd === undefined ? {} : { cwd }),
      ...timeout,
      ...disabled,
    };
  }
  const url = text(entry['url']);
  if (url === undefined) return 'it has neither a command nor a url';
  const headers = textRecord(entry['headers']);
  const type = entry['type'] ?? entry['transport'] ?? entry['transportType'];
  return {
    type: type === 'sse' ? 'sse' : 'http',
    url,
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...timeout,
    ...disabled,
  };
}

/** Older versions nest the program under "command"; servers of extensions have settings and no command. */
function readZed(entry: Json): RawEntry | string {
  const nested = asObject(entry['command']);
  const read = common(
    nested ? { ...entry, command: nested['path'], args: nested['args'], env: nested['env'] } : entry,
  );
  return typeof read === 'string' && 'settings' in entry ? 'it is started by an extension of Zed' : read;
}

function readCodex(entry: Json): RawEntry | string {
  const forwarded = textList(entry['env_vars']).map((name) => [name, `\${env:${name}}`]);
  const fromEnvironment = Object.entries(textRecord(entry['env_http_headers'])).map(([header, name]) => [
    header,
    `\${env:${name}}`,
  ]);
  const bearer = text(entry['bearer_token_env_var']);
  const startup = entry['startup_timeout_sec'];
  const blocked = textList(entry['disabled_tools']);
  const read = common({
    ...entry,
    env: { ...Object.fromEntries(forwarded), ...textRecord(entry['env']) },
    headers: {
      ...textRecord(entry['http_headers']),
      ...Object.fromEntries(fromEnvironment),
      ...(bearer === undefined ? {} : { Authorization: `Bearer \${env:${bearer}}` }),
    },
    timeout: startup,
  });
  return typeof read === 'string' || blocked.length === 0 ? read : { ...read, blocked_tools: blocked };
}

/** `url` alone means SSE here, and `timeout` is milliseconds of a call, which we do not keep per server. */
function readGemini(entry: Json): RawEntry | string {
  const http = text(entry['httpUrl']);
  const type = http !== undefined || entry['type'] === 'http' ? 'http' : 'sse';
  const read = common(withDollars({ ...entry, url: http ?? entry['url'], type, timeout: undefined }) as Json);
  const blocked = textList(entry['excludeTools']);
  return typeof read === 'string' || blocked.length === 0 ? read : { ...read, blocked_tools: blocked };
}

/** Gemini takes `$NAME`, where ours is `${NAME}`. */
function withDollars(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/\$([A-Za-z_]\w*)/g, '${$1}');
  if (Array.isArray(value)) return value.map(withDollars);
  const object = asObject(value);
  return object
    ? Object.fromEntries(Object.entries(object).map(([key, inner]) => [key, withDollars(inner)]))
    : value;
}
