import { Server } from '@modelcontextprotocol/server';
import { type Era, type IntroductionFacts, introduction } from './introduction.js';

/** Our own definitions are fixed for the life of the process; those of others are not. */
export const LIST_TTL_MS = 3_600_000;

/** The SDK's server of one connection as it introduces itself; its handlers come later. */
export function makeServer(era: Era, facts: IntroductionFacts): Server {
  const { serverInfo, capabilities, instructions } = introduction(era, facts);
  return new Server(serverInfo, {
    capabilities,
    instructions,
    cacheHints: { 'server/discover': { ttlMs: LIST_TTL_MS, cacheScope: 'public' } },
    // What is elicited is for the asking server to judge; the default compiles a validator for each server.
    jsonSchemaValidator: {
      getValidator: () => () => ({ valid: false, data: undefined, errorMessage: '' }),
    },
  });
}
