import { type Expose, INSTRUCTIONS } from './expose.js';

/** The two families of protocol revisions: up to 2025-11-25 with `initialize`, and 2026-07-28 without. */
export type Era = 'legacy' | 'modern';

/** Our own definitions are fixed for the life of the process; those of others are not. */
export const LIST_TTL_MS = 3_600_000;

export interface IntroductionFacts {
  readonly expose: Expose;
  readonly version: string;
  /** Whether resources and prompts of whole servers are offered. */
  readonly native: boolean;
}

/** Whether any server may be shown whole: it must be said when a client connects, before servers are known. */
export const offersNative = (options: {
  readonly expose: Expose;
  readonly pins?: readonly { readonly tool?: string | undefined }[] | undefined;
  readonly wholePins?: boolean | undefined;
}): boolean =>
  options.expose === 'direct' ||
  options.wholePins === true ||
  (options.pins ?? []).some(({ tool }) => tool === undefined);

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';

/** What the modern era calls an extension is a capability in the other. */
const taskCapabilities = (era: Era): Readonly<Record<string, object>> =>
  era === 'legacy'
    ? { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } }
    : { extensions: { [TASKS_EXTENSION]: {} } };

/** What we say of ourselves to a client, whoever says it: the SDK, or the greeting before the SDK is loaded. */
export function introduction(era: Era, { expose, version, native }: IntroductionFacts) {
  return {
    serverInfo: { name: 'mcp-runtime', version },
    capabilities: {
      tools: { listChanged: true },
      ...(native
        ? {
            resources: { listChanged: true, subscribe: true },
            prompts: { listChanged: true },
            completions: {},
          }
        : {}),
      logging: {},
      ...taskCapabilities(era),
    },
    instructions: INSTRUCTIONS[expose],
  };
}
