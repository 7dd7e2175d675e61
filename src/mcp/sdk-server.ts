import { Server } from '@modelcontextprotocol/server';
import { type Expose, INSTRUCTIONS } from './expose.js';
import { taskCapabilities } from './tasks.js';

/** The two families of protocol revisions: up to 2025-11-25 with `initialize`, and 2026-07-28 without. */
export type Era = 'legacy' | 'modern';

/** Our own definitions are fixed for the life of the process; those of others are not. */
export const LIST_TTL_MS = 3_600_000;

/** The SDK's server of one connection as it introduces itself; its handlers come later. */
export function makeServer(
  era: Era,
  { expose, version }: { readonly expose: Expose; readonly version: string },
  isNative: boolean,
): Server {
  return new Server(
    { name: 'mcp-runtime', version },
    {
      capabilities: {
        tools: { listChanged: true },
        ...(isNative
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
      cacheHints: { 'server/discover': { ttlMs: LIST_TTL_MS, cacheScope: 'public' } },
      // What is elicited is for the asking server to judge; the default compiles a validator for each server.
      jsonSchemaValidator: {
        getValidator: () => () => ({ valid: false, data: undefined, errorMessage: '' }),
      },
    },
  );
}
