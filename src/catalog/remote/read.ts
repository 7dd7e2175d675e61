import { looksLikeFernet } from '../../lib/fernet.js';
import type { IndexServer, IndexTool } from './types.js';

type Json = Readonly<Record<string, unknown>>;

/** What is kept is printed and hashed again later, which no program does to any depth. */
const MAX_DEPTH = 100;

/** What was wrong with one entry, in words; entries are judged one by one. */
export class BadEntry extends Error {
  override readonly name = 'BadEntry';
}

/** Foreign text, fit to stand in a message: bounded, and without anything that a terminal would obey. */
export function quoted(value: unknown, limit = 120): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  const clean = JSON.stringify(text.slice(0, limit)).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    '?',
  );
  return text.length > limit ? `${clean}...` : clean;
}

export function asObject(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** The first of the two spellings that is there. */
function either(json: Json, older: string, newer: string): unknown {
  return json[older] ?? json[newer];
}

/** A server in either spelling. @throws BadEntry */
export function readServer(value: unknown): IndexServer {
  const json = asObject(value);
  if (!json) throw new BadEntry(`a server is no object: ${quoted(value)}`);
  return {
    name: readName(either(json, 'server_name', 'name'), 'server'),
    title: readText(json['title']),
    summary: readText(json['summary']),
    capabilities: readTexts(json['capabilities']),
    limitations: readTexts(json['limitations']),
    toolCount: readCount(either(json, 'nb_tools', 'nbTools')),
    score: readScore(json['score']),
  };
}

/**
 * A tool in either spelling. @throws BadEntry
 * @param server the server that was asked about: a tool that claims another one is refused.
 */
export function readTool(value: unknown, server?: string): IndexTool {
  const json = asObject(value);
  if (!json) throw new BadEntry(`a tool is no object: ${quoted(value)}`);
  if (deeperThan(json, MAX_DEPTH)) throw new BadEntry(`a tool is nested deeper than ${MAX_DEPTH} levels`);
  const name = readName(either(json, 'tool_name', 'name'), 'tool');
  const claimed = either(json, 'server_name', 'serverName') ?? server;
  const owner = readName(claimed, 'server');
  if (server !== undefined && owner !== server)
    throw new BadEntry(`tool ${quoted(name)} claims to be on ${quoted(owner)}`);
  const schema = readSchema(either(json, 'tool_schema', 'inputSchema'), name);
  const title = readText(json['title']);
  const description = readText(either(json, 'tool_description', 'description'));
  const outputSchema = asObject(json['outputSchema'] ?? json['output_schema']);
  const annotations = asObject(json['annotations']);
  return {
    server: owner,
    tool: {
      name,
      ...(title === undefined ? {} : { title }),
      ...(description === undefined ? {} : { description }),
      inputSchema: schema,
      ...(outputSchema === undefined ? {} : { outputSchema }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    score: readScore(json['score']),
  };
}

/** Reads each entry for itself; the bad ones become problems, the rest stays. */
export function readEach<T>(
  entries: readonly unknown[],
  read: (entry: unknown) => T,
): { good: T[]; problems: string[] } {
  const good: T[] = [];
  const problems: string[] = [];
  for (const entry of entries) {
    try {
      good.push(read(entry));
    } catch (error) {
      if (!(error instanceof BadEntry)) throw error;
      problems.push(`Left out: ${error.message}.`);
    }
  }
  return { good, problems };
}

/** A name that can be shown, searched and sent back. */
function readName(value: unknown, what: string): string {
  if (typeof value !== 'string' || value.trim() === '') throw new BadEntry(`a ${what} has no name`);
  // Names are printed, and become part of paths of requests: no control, bidi or zero-width characters, no dots alone.
  const odd =
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(value) || value.length > 256 || /^\.{1,2}$/.test(value);
  if (odd || value !== value.trim() || looksLikeFernet(value))
    throw new BadEntry(`the name ${quoted(value)} of a ${what} is not usable`);
  return value;
}

function readText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function readTexts(value: unknown): string[] {
  if (typeof value === 'string' && value !== '') return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function readCount(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function readScore(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : undefined;
}

/** No schema means any object; some deployments keep the schema as JSON text. */
function readSchema(value: unknown, tool: string): Json {
  if (value === undefined || value === null) return { type: 'object' };
  const json = asObject(typeof value === 'string' ? parsed(value) : value);
  if (!json) throw new BadEntry(`the schema of tool ${quoted(tool)} is no object`);
  return json;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Level by level, because a recursion would end where the program's stack does. */
function deeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []));
  }
  return false;
}
