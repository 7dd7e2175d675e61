import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { addressProblems, openingProblems, programProblems } from '../../catalog/remote/launch-rules.js';
import {
  type ClientId,
  type ConfigPlace,
  findClientConfigs,
  type Platform,
} from '../../config/import/clients.js';
import type { RawEntry } from '../../config/import/raw-entry.js';
import { readClientConfig } from '../../config/import/read-client.js';
import { fetchRegistry, type RegistryEntry, readRegistry } from '../../config/import/registry.js';
import { RuntimeError } from '../../core/errors.js';

/** A server that was found somewhere, before anything is decided about it. */
export interface Candidate {
  readonly name: string;
  readonly entry: RawEntry;
  /** Where it was found, for people. */
  readonly from: string;
  /** Appended to the name when two sources use the same one. */
  readonly origin: string;
  /** What speaks against running it; more of those that somebody else may have written. */
  readonly problems: readonly string[];
}

export interface Found {
  readonly candidates: readonly Candidate[];
  /** What was left out or needs a look. */
  readonly notes: readonly string[];
}

const clientIds: readonly ClientId[] = [
  'claude-desktop',
  'claude-code',
  'cursor',
  'vscode',
  'cline',
  'windsurf',
  'zed',
  'codex',
  'gemini',
];

/** From the clients on this machine, or those of them that are named. */
export async function fromClients(
  only: readonly string[] | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Found> {
  const wanted = only?.map(clientId);
  const places = await findClientConfigs({
    home: env['HOME'] || homedir(),
    platform: process.platform as Platform,
    env,
    cwd: process.cwd(),
  });
  const found = await Promise.all(
    places.filter(({ client }) => !wanted || wanted.includes(client)).map((place) => readPlace(place)),
  );
  return merged(found);
}

/** From one file. Without a client its form is guessed. */
export async function fromFile(path: string, clients: readonly string[] | undefined): Promise<Found> {
  const content = await readText(path);
  const client = clients?.[0] === undefined ? guess(path, content) : clientId(clients[0]);
  return readContent({ client, title: client, scope: 'project', path }, content);
}

/** From a file or the address of a registry. */
export async function fromRegistry(source: string, signal: AbortSignal): Promise<Found> {
  if (/^https?:/i.test(source)) {
    const { entries, problems } = await fetchRegistry({ url: source, fetch, signal });
    return { candidates: entries.map((entry) => ofRegistry(entry, source)), notes: problems };
  }
  const content = await readText(source);
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    throw new RuntimeError('CONFIG_INVALID', `${source} is not JSON.`);
  }
  const { entries, problems } = readRegistry(json);
  return { candidates: entries.map((entry) => ofRegistry(entry, source)), notes: problems };
}

function ofRegistry({ name, definition, registryName, version }: RegistryEntry, source: string): Candidate {
  return {
    name,
    entry: definition,
    from: `${registryName}${version === undefined ? '' : ` ${version}`} of ${source}`,
    origin: 'registry',
    problems: launchProblems(definition),
  };
}

async function readPlace(place: ConfigPlace): Promise<Found> {
  try {
    return readContent(place, await readText(place.path));
  } catch (error) {
    return { candidates: [], notes: [error instanceof Error ? error.message : String(error)] };
  }
}

function readContent(place: ConfigPlace, content: string): Found {
  const { servers, problems } = readClientConfig(place.client, content, {
    home: homedir(),
    ...(place.scope === 'project' ? { workspace: process.cwd() } : {}),
  });
  const where = `${place.title}, ${place.path}`;
  return {
    candidates: servers.map(({ name, definition }) => ({
      name,
      entry: definition,
      from: where,
      origin: place.client,
      // The user's own settings are the user's word, up to what opens the machine; what lies in a project may be
      // somebody else's.
      problems: place.scope === 'project' ? launchProblems(definition) : ownProblems(definition),
    })),
    notes: problems.map((problem) => `${where}: ${problem}`),
  };
}

function launchProblems(entry: RawEntry): string[] {
  if (entry.command !== undefined)
    return programProblems({ command: entry.command, args: entry.args ?? [], env: entry.env ?? {} });
  return addressProblems(entry.url ?? '', entry.headers ?? {});
}

function ownProblems({ command, args = [], env = {} }: RawEntry): string[] {
  return command === undefined ? [] : openingProblems({ command, args, env });
}

function merged(found: readonly Found[]): Found {
  return {
    candidates: found.flatMap(({ candidates }) => candidates),
    notes: found.flatMap(({ notes }) => notes),
  };
}

function clientId(name: string): ClientId {
  const known = clientIds.find((id) => id === name.toLowerCase());
  if (known) return known;
  throw new RuntimeError('INVALID_ARGUMENTS', `There is no client ${JSON.stringify(name)}.`, {
    hint: `One of ${clientIds.join(', ')}.`,
  });
}

function guess(path: string, content: string): ClientId {
  if (path.endsWith('.toml')) return 'codex';
  if (/"mcpServers"\s*:/.test(content)) return 'claude-code';
  if (/"context_servers"\s*:/.test(content)) return 'zed';
  return /"servers"\s*:/.test(content) ? 'vscode' : 'claude-desktop';
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new RuntimeError(
      'CONFIG_INVALID',
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      { cause: error },
    );
  }
}
