import { RuntimeError } from '../../core/errors.js';
import type { ServerDefinition } from '../../core/server.js';
import { decryptFernet, FernetError, looksLikeFernet, resemblesFernet } from '../../lib/fernet.js';
import { addressProblems, programProblems } from './launch-rules.js';
import { asObject, quoted } from './read.js';

/** What an index does not say about a server and the runtime's settings do. */
export interface DefinitionDefaults {
  readonly idleTimeoutMs: number;
  readonly maxConcurrency: number;
  readonly sharing: ServerDefinition['sharing'];
  readonly restart: ServerDefinition['restart'];
}

interface StartupContext {
  /** The index, as it may be shown. */
  readonly index: string;
  readonly server: string;
  readonly encryptionKey: string | undefined;
  readonly defaults: DefinitionDefaults;
}

const DEFAULT_TIMEOUT_S = 30;
const MAX_TIMEOUT_S = 600;
const TRANSPORTS: Readonly<Record<string, 'stdio' | 'streamable-http' | 'sse'>> = {
  stdio: 'stdio',
  http: 'streamable-http',
  'streamable-http': 'streamable-http',
  streamable_http: 'streamable-http',
  sse: 'sse',
};

/**
 * What an index says to run -> a definition. Values are taken as they are: placeholders like `${HOME}` stay
 * text, because an index has no business with the user's environment.
 * @throws RuntimeError CONFIG_INVALID when it makes no sense or cannot be decrypted, FORBIDDEN when an index may
 * not ask for it.
 */
export function readStartup(value: unknown, context: StartupContext): ServerDefinition {
  const refuse = refusal(context);
  const json = asObject(value);
  if (!json) throw refuse('its startup configuration is no object');
  const named = json['server_name'] ?? json['name'];
  if (named !== undefined && named !== context.server)
    throw refuse(`the index answered for ${quoted(named)}`);
  const transport = transportOf(json, refuse);
  const base = {
    name: context.server,
    startTimeoutMs: timeoutMs(json['timeout'], refuse),
    ...context.defaults,
    hints: [],
    blockedTools: [],
    disabled: false,
    overwrite: false,
    source: 'index' as const,
  };
  if (transport === 'stdio') {
    const command = json['command'];
    if (typeof command !== 'string' || command === '') throw refuse('transport "stdio" needs a command');
    const args = texts(json['args'], refuse);
    const env = decrypted(values(json['env'], 'env', refuse), 'environment variable', context);
    for (const text of [command, ...args]) {
      if (resemblesFernet(text))
        throw refuse('its command line holds an encrypted value, which is only taken in env and headers');
    }
    check(programProblems({ command, args, env }), context);
    return freeze({ ...base, transport, command, args, env, cwd: undefined });
  }
  const url = json['url'];
  if (typeof url !== 'string' || url === '') throw refuse('transport "http" needs a url');
  const headers = decrypted(values(json['headers'], 'headers', refuse), 'header', context);
  check(addressProblems(url, headers), context);
  return freeze({ ...base, transport, url, headers });
}

type Refuse = (why: string, hint?: string) => RuntimeError;

function refusal(context: StartupContext): Refuse {
  return (why, hint) =>
    new RuntimeError(
      'CONFIG_INVALID',
      `Server ${quoted(context.server)} of the index at ${context.index} cannot be used: ${why}.`,
      {
        hint: hint ?? 'Correct the server in the index, or define it in your own servers file.',
        data: { server: context.server, index: context.index },
      },
    );
}

function check(problems: readonly string[], context: StartupContext): void {
  if (problems.length === 0) return;
  const shown = problems.slice(0, 5);
  throw new RuntimeError(
    'FORBIDDEN',
    `Server ${quoted(context.server)} of the index at ${context.index} is refused: ${shown.join('; ')}.`,
    {
      hint: 'An index may not ask for this. If you trust it, define the server in your own servers file.',
      data: { server: context.server, index: context.index, problems: shown },
    },
  );
}

/** `transport` is left out by deployments that know only one kind; then what is there decides. */
function transportOf(
  json: Readonly<Record<string, unknown>>,
  refuse: Refuse,
): 'stdio' | 'streamable-http' | 'sse' {
  const named = json['transport'] ?? (json['url'] && !json['command'] ? 'http' : 'stdio');
  const transport =
    typeof named === 'string' && Object.hasOwn(TRANSPORTS, named) ? TRANSPORTS[named] : undefined;
  if (!transport) throw refuse(`the transport ${quoted(named)} is neither "stdio" nor "http"`);
  return transport;
}

function timeoutMs(value: unknown, refuse: Refuse): number {
  const seconds = value ?? DEFAULT_TIMEOUT_S;
  if (typeof seconds !== 'number' || !(seconds > 0))
    throw refuse(`the timeout ${quoted(value)} is not a number of seconds above 0`);
  return Math.min(seconds, MAX_TIMEOUT_S) * 1000;
}

function texts(value: unknown, refuse: Refuse): string[] {
  const list = value ?? [];
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string'))
    throw refuse('args is not a list of strings');
  return list;
}

function values(value: unknown, field: string, refuse: Refuse): [string, string][] {
  if (value === undefined || value === null) return [];
  const json = asObject(value);
  const entries = Object.entries(json ?? {});
  if (!json || !entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) {
    throw refuse(`${field} is not an object of strings`);
  }
  return entries;
}

/** All or nothing: neither a token nor what merely resembles one is ever handed on as a value. */
function decrypted(
  entries: [string, string][],
  what: string,
  context: StartupContext,
): Record<string, string> {
  const read = ([name, value]: [string, string]): [string, string] => [name, plain(name, value)];
  const plain = (name: string, value: string): string => {
    if (!resemblesFernet(value)) return value;
    const refuse = (why: string) =>
      refusal(context)(
        `its ${what} ${quoted(name)} ${why}`,
        'Set DISCOVERY_ENCRYPTION_KEY to the key that the index encrypts with.',
      );
    if (!looksLikeFernet(value)) throw refuse('is a damaged encrypted value');
    if (context.encryptionKey === undefined)
      throw refuse('is encrypted, and there is no DISCOVERY_ENCRYPTION_KEY');
    let text: string;
    try {
      text = decryptFernet(value, context.encryptionKey).toString('utf8');
    } catch (error) {
      if (!(error instanceof FernetError)) throw error;
      throw refuse(
        error.reason === 'key'
          ? 'is encrypted, and DISCOVERY_ENCRYPTION_KEY is no Fernet key'
          : 'cannot be decrypted',
      );
    }
    // Encrypted twice would mean that a child is handed a token.
    if (resemblesFernet(text)) throw refuse('is encrypted more than once');
    return text;
  };
  return Object.fromEntries(entries.map(read));
}

function freeze<T extends object>(definition: T): T {
  for (const value of Object.values(definition))
    if (typeof value === 'object' && value !== null) Object.freeze(value);
  return Object.freeze(definition);
}
