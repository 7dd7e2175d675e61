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
      identity?.name ||
      definition.name,
    summary,
    capabilities: told?.capabilities.length ? phrases(told.capabilities) : capabilities(tools),
    limitations: [...phrases(told?.limitations ?? []), ...limitations(definition, tools)],
  };
}

/** Foreign sentences, bounded. */
function phrases(texts: readonly string[]): string[] {
  return texts.slice(0, MAX_CAPABILITIES).flatMap((text) => firstSentence(text) || []);
}

function capabilities(tools: readonly ListedTool[]): string[] {
  return tools.slice(0, MAX_CAPABILITIES).map((tool) => firstSentence(tool.description, 80) || tool.name);
}

function limitations(definition: KnownServer, tools: readonly ListedTool[]): string[] {
  const found: string[] = [];
  if (definition.blockedTools.length > 0)
    found.push(`${definition.blockedTools.length} tools are blocked by its definition`);
  if (tools.length > 0 && tools.every((tool) => tool.annotations?.readOnlyHint === true))
    found.push('reads only');
  if (definition.sharing === 'per-client') found.push('started for each client');
  return found;
}
