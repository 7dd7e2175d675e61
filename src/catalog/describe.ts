import type { KnownServer, ListedTool, ServerIdentity } from '../core/server.js';
import { oneLine } from '../lib/printable.js';

/** What a server is, derived from what it and its user say of it; no model is needed for this. */
export interface ServerDescription {
  readonly title: string;
  readonly summary: string;
  readonly capabilities: readonly string[];
  readonly limitations: readonly string[];
}

const MAX_SENTENCE = 110;
const MAX_SUMMARY = 600;
const MAX_CAPABILITIES = 8;
const MAX_VERBS = 6;
const MAX_RESTRICTIONS = 3;
const MAX_READ = 4_000;
const RESTRICTION =
  /\b(cannot|can't|does not|do not|don't|not supported|unsupported|only|at most|no more than|limited|requires?|must)\b/i;

/** The first sentence, on one line, without characters that a person cannot see; at most `max` characters. */
export function firstSentence(text: string | undefined, max = MAX_SENTENCE): string {
  const flat = oneLine(text ?? '', 2_000);
  const end = flat.search(/[.!?。](?:\s|$)/u);
  const sentence = end > 0 ? flat.slice(0, end + 1) : flat;
  if (sentence.length <= max) return sentence;
  const cut = sentence.slice(0, max - 1);
  const space = cut.lastIndexOf(' ');
  return `${(space > max / 2 ? cut.slice(0, space) : cut).trimEnd()}…`;
}

/** What a tool is called for people: its title, or the first sentence of its description. */
export function toolTitle(tool: ListedTool): string {
  return firstSentence(tool.description) || firstSentence(tool.title ?? tool.annotations?.title) || tool.name;
}

export function describeServer(
  definition: KnownServer,
  identity: ServerIdentity | undefined,
  tools: readonly ListedTool[],
): ServerDescription {
  const told = definition.transport === 'index' ? definition.told : undefined;
  const said = oneLine(identity?.instructions ?? told?.summary ?? '', MAX_SUMMARY);
  const names = tools.map((tool) => tool.name);
  const summary =
    said ||
    definition.hints.join(' ') ||
    (names.length > 0
      ? `Offers ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}.`
      : 'Nothing is known of it yet.');
  return {
    title:
      firstSentence(identity?.title ?? told?.title ?? definition.hints[0]) ||
      firstSentence(identity?.name) ||
      definition.name,
    summary,
    capabilities: told?.capabilities.length ? phrases(told.capabilities) : capabilities(tools),
    limitations: [...phrases(told?.limitations ?? []), ...limitations(definition, identity, tools)],
  };
}

/** Foreign sentences, bounded. */
function phrases(texts: readonly string[]): string[] {
  return texts.slice(0, MAX_CAPABILITIES).flatMap((text) => firstSentence(text) || []);
}

/** Of a few tools each by its sentence; of many the things they work on, with what they do to them. */
function capabilities(tools: readonly ListedTool[]): string[] {
  if (tools.length <= MAX_CAPABILITIES)
    return tools.map((tool) => firstSentence(tool.description, 80) || oneLine(tool.name, 80));
  const things = new Map<string, Set<string>>();
  for (const { name } of tools) {
    const [verb = '', ...rest] = words(name);
    const thing = rest.length === 0 ? verb : singular(rest.join(' '));
    things.set(thing, (things.get(thing) ?? new Set()).add(rest.length === 0 ? '' : verb));
  }
  return [...things]
    .sort(([, one], [, other]) => other.size - one.size)
    .slice(0, MAX_CAPABILITIES)
    .map(([thing, verbs]) => {
      const does = [...verbs].filter((verb) => verb !== '').slice(0, MAX_VERBS);
      return oneLine(does.length === 0 ? thing : `${thing}: ${does.join(', ')}`, MAX_SENTENCE);
    });
}

/** `createPullRequest`, `create_pull_request`, `github.create-pull-request` -> create, pull, request (without the prefix). */
function words(name: string): string[] {
  const parts = name
    .slice(0, 200)
    .replace(/^.*[./:](?=.)/, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u);
  return parts.filter((part) => part !== '');
}

const singular = (thing: string): string => thing.replace(/(?<=[a-z]{2}[^s])s$/, '');

function limitations(
  definition: KnownServer,
  identity: ServerIdentity | undefined,
  tools: readonly ListedTool[],
): string[] {
  const found: string[] = [];
  const blocked = definition.blockedTools.length;
  if (blocked > 0)
    found.push(`${blocked} ${blocked === 1 ? 'tool is' : 'tools are'} blocked by its definition`);
  if (tools.length > 0 && tools.every((tool) => tool.annotations?.readOnlyHint === true))
    found.push('reads only');
  const destructive = tools.filter((tool) => tool.annotations?.destructiveHint === true).length;
  if (destructive > 0)
    found.push(`${destructive} ${destructive === 1 ? 'tool' : 'tools'} may delete or overwrite`);
  if (definition.needs?.length) found.push(`needs ${definition.needs.join(', ')}`);
  if (definition.sharing === 'per-client') found.push('started for each client');
  return [...found, ...restrictions(identity?.instructions)];
}

/** Sentences in which a server says itself what it does not do or what it asks for. */
function restrictions(instructions: string | undefined): string[] {
  const text = oneLine(instructions ?? '', MAX_READ);
  return text
    .split(/(?<=[.!?])\s+/)
    .filter((sentence) => sentence.length <= MAX_SENTENCE * 1.5 && RESTRICTION.test(sentence))
    .slice(0, MAX_RESTRICTIONS)
    .map((sentence) => firstSentence(sentence, MAX_SENTENCE * 1.5));
}
