import type { JSONRPCRequest } from '@modelcontextprotocol/server';
import { isPlainObject } from '../lib/json-object.js';
import { type IntroductionFacts, introduction } from './introduction.js';
import type { Introduced } from './stdio-session.js';

/** Revisions with `initialize`; whoever asks for another is answered by the SDK. */
const REVISIONS: ReadonlySet<unknown> = new Set(['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']);
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
    const { protocolVersion, clientInfo } = params;
    const capabilities = capabilitiesIn(params['capabilities']);
    if (!REVISIONS.has(protocolVersion) || !capabilities || !isClient(clientInfo)) return undefined;
    const revision = String(protocolVersion);
    const client = { capabilities, name: clientInfo['name'] };
    return { client, revision, result: { protocolVersion: revision, ...introduction('legacy', facts) } };
  };
}

const hasOnly = (given: unknown, keys: ReadonlySet<string>): given is Record<string, unknown> =>
  isPlainObject(given) && Object.keys(given).every((key) => keys.has(key));

const isClient = (given: unknown): given is Record<string, unknown> =>
  isPlainObject(given) &&
  isText(given['name']) &&
  isText(given['version']) &&
  ['title', 'websiteUrl', 'description'].every((key) => isOptional(given[key], isText)) &&
  isOptional(given['icons'], (icons) => Array.isArray(icons) && icons.every(isIcon));

const isIcon = (given: unknown): boolean =>
  isPlainObject(given) &&
  isText(given['src']) &&
  isOptional(given['mimeType'], isText) &&
  isOptional(given['sizes'], (sizes) => Array.isArray(sizes) && sizes.every(isText)) &&
  isOptional(given['theme'], (theme) => theme === 'light' || theme === 'dark');

/** What is not named here may be anything: the SDK leaves it out. */
const CAPABILITIES: Readonly<Record<string, (given: unknown) => boolean>> = {
  roots: (given) => isPlainObject(given) && isOptional(given['listChanged'], isSwitch),
  sampling: (given) => hasObjects(given, ['context', 'tools']),
  elicitation: (given) =>
    hasObjects(given, ['form', 'url']) &&
    isOptional((given as { form?: { applyDefaults?: unknown } }).form?.applyDefaults, isSwitch),
  tasks: (given) =>
    hasObjects(given, ['list', 'cancel', 'requests']) &&
    isOptional((given as Tasks).requests, (requests) => {
      const { sampling, elicitation } = requests as NonNullable<Tasks['requests']>;
      return (
        isOptional(sampling, (one) => hasObjects(one, ['createMessage'])) &&
        isOptional(elicitation, (one) => hasObjects(one, ['create']))
      );
    }),
  experimental: (given) => isPlainObject(given) && Object.values(given).every(isPlainObject),
  extensions: (given) => isPlainObject(given) && Object.values(given).every(isPlainObject),
};

interface Tasks {
  readonly requests?: { readonly sampling?: unknown; readonly elicitation?: unknown };
}

/** Those that are known, if they are as they should be. */
function capabilitiesIn(given: unknown): Readonly<Record<string, unknown>> | undefined {
  if (!isPlainObject(given)) return undefined;
  const known = Object.entries(CAPABILITIES).filter(([name]) => given[name] !== undefined);
  if (!known.every(([name, isRight]) => isRight(given[name]))) return undefined;
  return Object.fromEntries(known.map(([name]) => [name, given[name]]));
}

const isText = (given: unknown) => typeof given === 'string';
const isSwitch = (given: unknown) => typeof given === 'boolean';
const isOptional = (given: unknown, isRight: (given: unknown) => boolean) =>
  given === undefined || isRight(given);
const hasObjects = (given: unknown, names: readonly string[]): boolean =>
  isPlainObject(given) && names.every((name) => isOptional(given[name], isPlainObject));
