import type { ServerDefinition } from '../core/server.js';
import { canonicalJson, sha256 } from '../lib/hash.js';

/** What a server is, as far as its tools can depend on it: a change of a hint or a time-out is no reason to learn again. */
export function definitionHash(definition: ServerDefinition): string {
  const startup =
    definition.transport === 'stdio'
      ? { command: definition.command, args: definition.args, env: definition.env, cwd: definition.cwd }
      : { transport: definition.transport, url: definition.url, headers: definition.headers };
  return sha256(canonicalJson(startup));
}
