import { z } from 'zod';

/** An answer that was good. */
export interface Copy {
  readonly value: object;
  readonly problems: readonly string[];
  /** What it took to read, as a measure of what it takes to keep. */
  readonly bytes: number;
  /** Ms since the epoch. */
  readonly at: number;
}

/** Where copies outlive the process; a file for example. */
export interface CopyStorage {
  load(): string | undefined;
  save(text: string): void;
}

const server = z.object({
  name: z.string(),
  title: z.string().optional(),
  summary: z.string().optional(),
  capabilities: z.array(z.string()),
  limitations: z.array(z.string()),
  toolCount: z.number(),
});
const tool = z.object({ server: z.string(), tool: z.looseObject({ name: z.string() }) });
const value = z.union([
  z.object({ servers: z.array(server), gone: z.array(z.string()) }),
  z.object({ tools: z.array(tool) }),
]);
const file = z.object({
  version: z.literal(1),
  index: z.string(),
  copies: z.array(
    z.tuple([
      z.string(),
      z.object({ value, at: z.number(), bytes: z.number().min(0), problems: z.array(z.string()) }),
    ]),
  ),
});

const SAVE_AFTER_MS = 1_000;

/**
 * Lists of servers and tools, kept over restarts. Startup configurations are never among them: they hold
 * secrets. A file that is damaged, of another index or of another version counts as none.
 */
export class PersistedCopies {
  readonly #storage: CopyStorage;
  readonly #index: string;
  #timer: NodeJS.Timeout | undefined;
  #pending: ReadonlyMap<string, Copy> | undefined;

  constructor(storage: CopyStorage, index: string) {
    this.#storage = storage;
    this.#index = index;
  }

  load(): Map<string, Copy> {
    try {
      const read = file.parse(JSON.parse(this.#storage.load() ?? 'null'));
      if (read.index === this.#index) return new Map(read.copies);
    } catch {
      // Nothing is lost: the index is asked again.
    }
    return new Map();
  }

  /** Saves a little later, so that learning a thousand servers does not write a thousand times. */
  changed(copies: ReadonlyMap<string, Copy>): void {
    this.#pending = copies;
    this.#timer ??= setTimeout(() => this.flush(), SAVE_AFTER_MS).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const copies = this.#pending;
    this.#pending = undefined;
    if (!copies) return;
    const kept = [...copies].filter(([key]) => isPersistable(key));
    try {
      this.#storage.save(JSON.stringify({ version: 1, index: this.#index, copies: kept }));
    } catch {
      // A copy that cannot be kept costs one more question after the next start.
    }
  }
}

/** Keys are named by `DiscoveryClient`. */
export function isPersistable(key: string): boolean {
  return key === 'servers' || key.startsWith('tools ');
}
