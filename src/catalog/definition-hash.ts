import type { KnownServer } from '../core/server.js';
import { canonicalJson, sha256 } from '../lib/hash.js';

/** What a server is, as far as its tools can depend on it: a change of a hint or a time-out is no reason to learn again. */
export function definitionHash(definition: KnownServer): string {
  return sha256(canonicalJson(startup(definition)));
}

/**
 * Under which hash its tools are kept. What a server of an index told when it ran here is worth more than the index's
 * list, but only until that list changes.
 */
export function learntKey(definition: KnownServer): string {
  const key =
    definition.transport === 'index'
      ? { ...startup(definition), tools: definition.told.toolsHash }
      : startup(definition);
  return sha256(canonicalJson(key));
}

function startup(definition: KnownServer): object {
  switch (definition.transport) {
    case 'stdio': {
      const { command, args, env, cwd, sandbox } = definition;
      return { command, args, env, cwd, sandbox };
    }
    case 'index':
      return { transport: definition.transport, index: definition.index };
    default:
      return { transport: definition.transport, url: definition.url, headers: definition.headers };
  }
}
