import type { JSONRPCRequest } from '@modelcontextprotocol/server';
import { isPlainObject } from '../lib/json-object.js';
import { type IntroductionFacts, introduction } from './introduction.js';
import type { Introduced } from './stdio-session.js';

/** Revisions with `initialize`; whoever asks for another is answered by the SDK. */
const REVISIONS: ReadonlySet<unknown> = new Set(['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']);
const CLIENT_KEYS: ReadonlySet<string> = new Set(['name', 'title', 'version', 'description']);
const PARAMS: ReadonlySet<string> = new Set(['protocolVersion', 'capabilities', 'clientInfo']);

export interface Greeting {
  readonly client: Introduced;
  readonly revision: string;
  readonly result: Readonly<Record<string, unknown>>;
}

/** How a client is answered while the SDK is not there yet. @returns undefined when the SDK has to answer. */
export type Greet = (request: JSONRPCRequest) => Greeting | undefined;

/**
 * Answers a plain `initialize` as the SDK does. The SDK gets it too, and what it answers then is not sent: loading it and
 * making its schemas was two thirds of the time until a client was greeted. What is not plainly right, or says
 * more than most clients do, waits for the SDK; a test holds that both say the same.
 */
export function greeting(facts: IntroductionFacts): Greet {
  return ({ method, params }) => {
    if (method !== 'initialize' || !hasOnly(params, PARAMS)) return undefined;
    const { protocolVersion, capabilities, clientInfo } = params;
    if (!REVISIONS.has(protocolVersion) || !areCapabilities(capabilities) || !isClient(clientInfo))
      return undefined;
    const revision = String(protocolVersion);
    const client = { capabilities, name: clientInfo['name'] };
    return { client, revision, result: { protocolVersion: revision, ...introduction('legacy', facts) } };
  };
}

const hasOnly = (given: unknown, keys: ReadonlySet<string>): given is Record<string, unknown> =>
  isPlainObject(given) && Object.keys(given).every((key) => keys.has(key));

const isClient = (given: unknown): given is Record<string, unknown> =>
  hasOnly(given, CLIENT_KEYS) &&
  given['name'] !== undefined &&
  given['version'] !== undefined &&
  Object.values(given).every((value) => typeof value === 'string');

/** Those that most clients have, and nothing in them but what is on or off. */
const areCapabilities = (given: unknown): given is Record<string, unknown> =>
  isPlainObject(given) &&
  Object.entries(given).every(([name, value]) => {
    if (!isPlainObject(value)) return false;
    if (name === 'roots')
      return Object.entries(value).every(([key, on]) => key === 'listChanged' && typeof on === 'boolean');
    if (name === 'sampling' || name === 'elicitation') return Object.values(value).every(isEmpty);
    return false;
  });

const isEmpty = (given: unknown): boolean => isPlainObject(given) && Object.keys(given).length === 0;
