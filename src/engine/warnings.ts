import type { CatalogEntry } from '../catalog/entry.js';
import { approveCommand } from '../catalog/not-found.js';
import { identitySuspicions, suspicions } from '../catalog/suspicion.js';
import { plural } from '../operations/text.js';

const MAX_WARNINGS = 10;

/** How many tools wait for a person; their names and texts are not for a model. */
export function waitingNote({ definition, withheld }: CatalogEntry): string | undefined {
  const whys = [...withheld.values()].filter((why) => why === 'new' || why === 'changed');
  if (whys.length > 0) {
    const wait = whys.length === 1 ? 'waits' : 'wait';
    const changed = whys.filter((why) => why === 'changed').length;
    const how = changed > 0 ? ` (${changed} changed)` : '';
    return `${plural(whys.length, 'tool')}${how} ${wait} for approval by the user: ${approveCommand(definition.name)}.`;
  }
  return [...withheld.values()].includes('server')
    ? `Its tools wait for approval of the server by the user: ${approveCommand(definition.name)}.`
    : undefined;
}

/** What is odd about the texts of a server and of those of its tools that may be used. Nothing is cut for it. */
export function warningsOf({ tools, listed, identity }: CatalogEntry): string[] {
  const own = identitySuspicions(identity);
  const raw = new Map(listed.map((tool) => [tool.name, tool]));
  const found = [
    ...(own.length > 0 ? [`The server's own text has ${own.join('; ')}.`] : []),
    ...tools.flatMap((tool) => {
      const odd = suspicions(raw.get(tool.name) ?? tool);
      return odd.length > 0 ? [`The text of the tool "${tool.name}" has ${odd.join('; ')}.`] : [];
    }),
  ];
  const more = found.length - MAX_WARNINGS;
  return more > 0 ? [...found.slice(0, MAX_WARNINGS), `${more} more.`] : found;
}
