import type { Catalog } from '../catalog/catalog.js';
import { type Pin, type PinStore, pinHash, pinOf } from '../catalog/pin-store.js';
import type { DiscoveryClient } from '../catalog/remote/discovery-client.js';
import { RuntimeError } from '../core/errors.js';
import type { ServerDefinition } from '../core/server.js';
import { untilAborted } from '../lib/abort.js';
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
  readonly #pins: PinStore;

  constructor(client: DiscoveryClient, pins: PinStore) {
    this.#client = client;
    this.#pins = pins;
  }

  /**
   * The definition to start. The first one is remembered.
   * @throws RuntimeError FORBIDDEN when the index now says something else, and what `getCommand` rejects with.
   */
  async resolve(name: string, signal: AbortSignal): Promise<ServerDefinition> {
    const { definition } = await this.#client.getCommand(name, { signal });
    const { index } = this.#client;
    const now = pinOf(definition);
    const before = this.#pins.get(index, name);
    if (before === undefined) this.#pins.set(index, name, now);
    else if (pinHash(before) !== pinHash(now)) {
      throw new RuntimeError(
        'FORBIDDEN',
        `The index at ${index} now says to start the server "${name}" in another way than when it was first used. It was ${shown(before)}; it is ${shown(now)}.`,
        {
          hint: `If that is right, the user accepts it with: mcp-runtime index approve ${JSON.stringify(name)}`,
          data: { server: name, index },
        },
      );
    }
    return definition;
  }

  /** What would be started, to be shown to a person. With `accept`, the hash of a review, that state is accepted. */
  async review(name: string, signal: AbortSignal, accept?: string): Promise<Review> {
    const { definition } = await this.#client.getCommand(name, { signal });
    const { index } = this.#client;
    const now = pinOf(definition);
    const review = { now, before: this.#pins.get(index, name), hash: pinHash(now) };
    if (accept === undefined) return review;
    if (accept !== review.hash) {
      throw new RuntimeError('FORBIDDEN', `The index at ${index} has changed "${name}" again meanwhile.`, {
        hint: 'Look at it once more before accepting it.',
      });
    }
    this.#pins.set(index, name, now);
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

/** Exact, in one line, with everything that a terminal would obey escaped. */
function shown(pin: Pin): string {
  const text = JSON.stringify(pin).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return text.length > 700 ? `${text.slice(0, 700)}...` : text;
}
