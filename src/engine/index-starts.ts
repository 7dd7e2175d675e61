import type { Catalog } from '../catalog/catalog.js';
import { approveCommand } from '../catalog/not-found.js';
import type { Trust } from '../catalog/pins/approvals.js';
import { type DefinitionPins, type Pin, pinHash, pinOf } from '../catalog/pins/definition-pins.js';
import type { DiscoveryClient } from '../catalog/remote/discovery-client.js';
import { RuntimeError } from '../core/errors.js';
import type { ServerDefinition } from '../core/server.js';
import { untilAborted } from '../lib/abort.js';
import { exact } from '../lib/escape.js';
import type { OperationInput as In, OperationOutput as Out } from '../operations/table.js';

/** How an index says a server is started, beside how it was when it was first used or last accepted. */
export interface Review {
  readonly now: Pin;
  readonly before: Pin | undefined;
  /** What to accept this very state by. */
  readonly hash: string;
}

/** Asks an index how a server is started, when it is to be started, and holds it to what it said first. */
export class IndexStarts {
  readonly #client: DiscoveryClient;
  readonly #pins: DefinitionPins;
  readonly #trust: Trust;

  constructor(client: DiscoveryClient, pins: DefinitionPins, trust: Trust) {
    this.#client = client;
    this.#pins = pins;
    this.#trust = trust;
  }

  /**
   * The definition to start. By first use the first one is agreed to, otherwise what a person approved.
   * @throws RuntimeError NOT_APPROVED when the index now says something else, or nobody has agreed to anything; and what
   * `getCommand` rejects with.
   */
  async resolve(name: string, signal: AbortSignal): Promise<ServerDefinition> {
    const { definition } = await this.#client.getCommand(name, { signal });
    const { index } = this.#client;
    if (this.#trust === 'all') return definition;
    const now = pinOf(definition);
    // In one step: of two engines that an index tells different things at once, one is refused.
    const before =
      this.#trust === 'first-use' ? this.#pins.first(index, name, now) : this.#pins.get(index, name);
    if (before?.approved && pinHash(before.approved) === pinHash(now)) return definition;
    // Kept, so that a person can look at it when the index says something else again.
    this.#pins.propose(index, name, now);
    const message = before?.approved
      ? `The index at ${index} now says to start the server "${name}" in another way than was agreed to. It was ${shown(before.approved)}; it is ${shown(now)}.`
      : `Nobody has approved how the server "${name}" of the index at ${index} is started: ${shown(now)}.`;
    throw new RuntimeError('NOT_APPROVED', message, {
      hint: `If that is right, the user approves it with: ${approveCommand(name)}`,
      data: { server: name, index },
    });
  }

  /** What would be started, to be shown to a person. With `accept`, the hash of a review, that state is accepted. */
  async review(name: string, signal: AbortSignal, accept?: string): Promise<Review> {
    const { definition } = await this.#client.getCommand(name, { signal });
    const { index } = this.#client;
    const now = pinOf(definition);
    const review = { now, before: this.#pins.get(index, name)?.approved, hash: pinHash(now) };
    if (accept === undefined) return review;
    if (accept !== review.hash) {
      throw new RuntimeError('FORBIDDEN', `The index at ${index} has changed "${name}" again meanwhile.`, {
        hint: 'Look at it once more before accepting it.',
      });
    }
    this.#pins.approve(index, name, now);
    return review;
  }
}

/** The operation. @throws RuntimeError SERVER_NOT_FOUND, INVALID_ARGUMENTS for a server that no index gave. */
export async function reviewServer(
  parts: {
    catalog: Catalog;
    discovery: { refresh(): Promise<void>; review: IndexStarts['review'] };
  },
  input: In<'review_server'>,
  signal: AbortSignal,
): Promise<Out<'review_server'>> {
  const { catalog, discovery } = parts;
  // A command has an engine of its own, which has only just begun to ask the index.
  if (!catalog.get(input.server_name)) await untilAborted(discovery.refresh(), signal);
  const { definition } = catalog.require(input.server_name);
  if (definition.transport !== 'index') {
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `The server "${definition.name}" stands in the servers file.`,
      {
        hint: 'Only what a remote index says is accepted here.',
      },
    );
  }
  return { server: definition.name, ...(await discovery.review(definition.name, signal, input.accept)) };
}

/** Exact, in one line, with everything that a terminal would obey escaped; all of it is shown by `approve`. */
function shown({ command, args = [], cwd, env = [], url, headers = [] }: Pin): string {
  const names = (label: string, list: readonly string[]) =>
    list.length > 0 ? [`with the ${label} ${list.map(exact).join(' ')}`] : [];
  const text = [
    ...(command === undefined ? [] : [[command, ...args].map(exact).join(' ')]),
    ...(url === undefined ? [] : [exact(url)]),
    ...(cwd === undefined ? [] : [`in ${exact(cwd)}`]),
    ...names('variables', env),
    ...names('headers', headers),
  ].join(' ');
  return text.length > 700 ? `${text.slice(0, 700)}... (${text.length} characters)` : text;
}
