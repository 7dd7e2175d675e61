import { z } from 'zod';
import { RuntimeError } from '../../core/errors.js';
import { asObject, type Json, type RawEntry } from './raw-entry.js';
import { definitionOf, type RegistryNeed } from './registry-server.js';

export interface RegistryEntry {
  /** The last part of the registry's name where that is unambiguous, else all of it. */
  readonly name: string;
  /** `namespace/name`. */
  readonly registryName: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly version?: string | undefined;
  /** As our servers file has it; what the user has to give stands in it as `${env:VARIABLE}`. */
  readonly definition: RawEntry;
  readonly needs: readonly RegistryNeed[];
}

export interface RegistryPage {
  readonly entries: readonly RegistryEntry[];
  readonly problems: readonly string[];
  readonly nextCursor?: string | undefined;
}

export interface FetchRegistryOptions {
  /** The registry, or its list: `https://host` or `https://host/v0.1/servers?search=x`. */
  readonly url: string;
  readonly fetch: typeof fetch;
  readonly signal: AbortSignal;
  /** Default 100. */
  readonly maxPages?: number | undefined;
  /** Of one page. Default 20 MiB. */
  readonly maxBytes?: number | undefined;
}

const OFFICIAL = 'io.modelcontextprotocol.registry/official';
const listSchema = z.object({
  servers: z.array(z.unknown()),
  metadata: z.object({ nextCursor: z.string().nullish(), next_cursor: z.string().nullish() }).nullish(),
});

/**
 * The servers of a `/v0.1/servers` list, of a plain list of `server.json`, or of one `server.json`. Bad entries are
 * problems, the rest stays; deleted and superseded versions are left out.
 * @throws RuntimeError CONFIG_INVALID when it is none of these.
 */
export function readRegistry(json: unknown): RegistryPage {
  const listed = listSchema.safeParse(
    Array.isArray(json)
      ? { servers: json }
      : asObject(json)?.['packages'] || asObject(json)?.['remotes']
        ? { servers: [json] }
        : json,
  );
  if (!listed.success)
    throw new RuntimeError('CONFIG_INVALID', 'This is neither a list of a registry nor a server.json.');
  const problems: string[] = [];
  const entries: RegistryEntry[] = [];
  for (const item of listed.data.servers) {
    const server = asObject(asObject(item)?.['server']) ?? asObject(item);
    const official = asObject(asObject(asObject(item)?.['_meta'])?.[OFFICIAL]);
    if (official?.['status'] === 'deleted' || official?.['isLatest'] === false) continue;
    const read = server ? entryOf(server) : 'an entry is no object';
    if (typeof read === 'string') problems.push(`Left out: ${read}.`);
    else entries.push(read);
  }
  const metadata = listed.data.metadata;
  return {
    entries: shortNames(entries),
    problems,
    nextCursor: metadata?.nextCursor || metadata?.next_cursor || undefined,
  };
}

/** All pages of a registry. @throws RuntimeError INDEX_UNAVAILABLE naming it; the signal's reason. */
export async function fetchRegistry(
  options: FetchRegistryOptions,
): Promise<Omit<RegistryPage, 'nextCursor'>> {
  const url = listUrl(options.url);
  const entries: RegistryEntry[] = [];
  const problems: string[] = [];
  const cursors = new Set<string>();
  for (let pages = 0; pages < (options.maxPages ?? 100); pages++) {
    const page = readRegistry(await fetchJson(url, options));
    entries.push(...page.entries);
    problems.push(...page.problems);
    if (page.nextCursor === undefined) return { entries: shortNames(entries), problems };
    if (cursors.has(page.nextCursor)) throw unavailable(url, 'leads in a circle from page to page');
    cursors.add(page.nextCursor);
    url.searchParams.set('cursor', page.nextCursor);
  }
  problems.push(`The registry has more than ${options.maxPages ?? 100} pages; the rest is left out.`);
  return { entries: shortNames(entries), problems };
}

function entryOf(server: Json): RegistryEntry | string {
  const name = server['name'];
  if (typeof name !== 'string' || !/^[A-Za-z0-9][\w.-]*\/[\w.-]+$/.test(name) || name.length > 200)
    return `the name ${shown(name)} is none of a registry`;
  const short = name.slice(name.lastIndexOf('/') + 1);
  const found = definitionOf(short, server);
  if (typeof found === 'string') return `${shown(name)}: ${found}`;
  const text = (key: string) => (typeof server[key] === 'string' ? server[key] : undefined);
  return {
    name: short,
    registryName: name,
    title: text('title'),
    description: text('description'),
    version: text('version'),
    ...found,
  };
}

/** Two publishers may use the same last part; then both keep their namespace. */
function shortNames(entries: readonly RegistryEntry[]): RegistryEntry[] {
  const owners = new Map<string, Set<string>>();
  const shortOf = ({ registryName }: RegistryEntry) => registryName.slice(registryName.lastIndexOf('/') + 1);
  for (const entry of entries)
    owners.set(shortOf(entry), (owners.get(shortOf(entry)) ?? new Set()).add(entry.registryName));
  return entries.map((entry) => ({
    ...entry,
    name: (owners.get(shortOf(entry))?.size ?? 0) > 1 ? entry.registryName : shortOf(entry),
  }));
}

function listUrl(text: string): URL {
  if (!URL.canParse(text) || !/^https?:/i.test(text))
    throw new RuntimeError('CONFIG_INVALID', `${shown(text)} is not the URL of a registry.`);
  const url = new URL(text);
  if (url.pathname === '/' || url.pathname === '') url.pathname = '/v0.1/servers';
  if (!url.searchParams.has('limit')) url.searchParams.set('limit', '100');
  return url;
}

async function fetchJson(url: URL, options: FetchRegistryOptions): Promise<unknown> {
  const maxBytes = options.maxBytes ?? 20 * 1024 * 1024;
  try {
    const response = await options.fetch(url, {
      headers: { accept: 'application/json' },
      signal: options.signal,
    });
    if (!response.ok) throw unavailable(url, `answers with ${response.status}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    const reader = response.body?.getReader();
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      size += part.value.byteLength;
      if (size > maxBytes) {
        await reader?.cancel();
        throw unavailable(url, `gives more than ${maxBytes} bytes`);
      }
      chunks.push(part.value);
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof RuntimeError) throw error;
    throw unavailable(
      url,
      error instanceof SyntaxError ? 'answers with something that is not JSON' : 'cannot be reached',
      error,
    );
  }
}

function unavailable(url: URL, what: string, cause?: unknown): RuntimeError {
  return new RuntimeError('INDEX_UNAVAILABLE', `The registry at ${url.origin}${url.pathname} ${what}.`, {
    cause,
  });
}

function shown(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 120));
}
