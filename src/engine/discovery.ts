import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DefinitionPins } from '../catalog/pins/definition-pins.js';
import type { PinDb } from '../catalog/pins/pin-db.js';
import { DiscoveryClient } from '../catalog/remote/discovery-client.js';
import type { Settings } from '../config/settings.js';
import { RuntimeError } from '../core/errors.js';
import type { IndexedDefinition, KnownServer, ServerDefinition } from '../core/server.js';
import { writeFileAtomic } from '../lib/atomic-file.js';
import type { Logger } from '../lib/log.js';
import { IndexStarts, type Review } from './index-starts.js';
import { RemoteIndex } from './remote-index.js';

/** The remote index of an engine, or none. */
export interface Discovery {
  readonly definitions: readonly IndexedDefinition[];
  /** For people. */
  readonly problems: readonly string[];
  /** Whether the index is being asked now. */
  readonly pending: boolean;
  /** Asks for everything now and then, in the background. */
  start(): void;
  /** Asks now. Never rejects. */
  refresh(): Promise<void>;
  /** What can be started: a server of the index is asked for there. Rejects with a RuntimeError. */
  resolve(definition: KnownServer, signal: AbortSignal): Promise<ServerDefinition>;
  /** See `IndexStarts.review`. */
  review(name: string, signal: AbortSignal, accept?: string): Promise<Review>;
  close(): Promise<void>;
}

/** Never throws: an index that cannot be used is a problem that is told, and everything else works. */
export function openDiscovery(
  settings: Settings,
  logger: Logger,
  pins: PinDb,
  onChange: () => void,
): Discovery {
  if (!settings.discovery) return withoutIndex([]);
  const { url, apiKey, encryptionKey, refreshMs } = settings.discovery;
  const copies = keptCopies(join(settings.home, 'index-copies.json'), logger);
  let client: DiscoveryClient;
  try {
    // Each look at the index is a new question: how often is decided here alone.
    client = new DiscoveryClient({ url, apiKey, encryptionKey, cache: copies, freshMs: 0 });
  } catch (error) {
    return withoutIndex([error instanceof Error ? error.message : String(error)]);
  }
  const starts = new IndexStarts(client, new DefinitionPins(pins), settings.trust);
  const remote = new RemoteIndex({ client, refreshMs, logger, onChange });
  return {
    get definitions() {
      return remote.definitions;
    },
    get problems() {
      return remote.problems;
    },
    get pending() {
      return remote.pending;
    },
    start: () => remote.start(),
    refresh: () => remote.refresh(),
    resolve: async (definition, signal) =>
      definition.transport === 'index' ? starts.resolve(definition.name, signal) : definition,
    review: (name, signal, accept) => starts.review(name, signal, accept),
    close: async () => {
      const closed = remote.close();
      client.close();
      await closed;
      await copies.written();
    },
  };
}

function withoutIndex(problems: readonly string[]): Discovery {
  const none = () =>
    new RuntimeError('INDEX_UNAVAILABLE', problems[0] ?? 'There is no remote index.', {
      hint: 'Set DISCOVERY_URL to the address of an mcp_index.',
      retryable: false,
    });
  return {
    definitions: [],
    problems,
    pending: false,
    start: () => {},
    refresh: async () => {},
    resolve: async (definition) => {
      if (definition.transport === 'index') throw none();
      return definition;
    },
    review: () => Promise.reject(none()),
    close: async () => {},
  };
}

/** The last good lists in a file, written beside the work: nobody waits for the disk. */
function keptCopies(path: string, logger: Logger) {
  let writing = Promise.resolve();
  return {
    load: () => {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return undefined;
      }
    },
    save: (text: string) => {
      writing = writing
        .then(() => writeFileAtomic(path, text, { sync: false }))
        .catch((error: unknown) =>
          logger.warn({ error: String(error) }, 'what the index told could not be kept'),
        );
    },
    written: () => writing,
  };
}
