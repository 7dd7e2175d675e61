import { approveCommand } from '../../catalog/not-found.js';
import { type DefinitionPins, pinHash, pinOf } from '../../catalog/pins/definition-pins.js';
import { addressProblems, programProblems } from '../../catalog/remote/launch-rules.js';
import { RuntimeError } from '../../core/errors.js';
import type { ServerDefinition } from '../../core/server.js';
import type { Startup } from '../../http/index-api/seal.js';

/** Where a server came from that was added by a request, among the sources of definitions. */
const ADDED = 'added';

const BASE = {
  idleTimeoutMs: 60_000,
  maxConcurrency: 64,
  sharing: 'shared',
  restart: 'on-failure',
  hints: [],
  blockedTools: [],
  disabled: false,
  overwrite: false,
  source: 'added',
} as const;

/** Values are taken as they are: whoever adds a server has no business with the environment of the index. */
export function definitionOf(name: string, startup: Startup): ServerDefinition {
  const base = { ...BASE, name, startTimeoutMs: startup.timeout * 1000 };
  if (startup.transport === 'http')
    return Object.freeze({
      ...base,
      transport: 'streamable-http' as const,
      url: startup.url,
      headers: startup.headers,
    });
  const { command, args, env } = startup;
  return Object.freeze({ ...base, transport: 'stdio' as const, command, args, env, cwd: undefined });
}

/** The startup of a server of the servers file, or why an index cannot tell it to others. */
export function startupOf(definition: ServerDefinition): Startup | string {
  const timeout = definition.startTimeoutMs / 1000;
  if (definition.transport !== 'stdio')
    return definition.transport === 'sse'
      ? 'the API knows no SSE'
      : { transport: 'http', url: definition.url, headers: definition.headers, timeout };
  if (definition.cwd !== undefined) return 'the API knows no working directory';
  const { command, args, env } = definition;
  return { transport: 'stdio', command, args, env, timeout };
}

/**
 * What no client would start is not indexed, and not started here either.
 * @throws RuntimeError INVALID_ARGUMENTS
 */
export function refuseHarmful(name: string, startup: Startup): void {
  const problems =
    startup.transport === 'stdio' ? programProblems(startup) : addressProblems(startup.url, startup.headers);
  if (problems.length === 0) return;
  throw new RuntimeError(
    'INVALID_ARGUMENTS',
    `Server ${JSON.stringify(name)} is refused: ${problems.slice(0, 5).join('; ')}.`,
    {
      hint: 'Clients refuse to start this because an index says so; it belongs into their own servers file.',
    },
  );
}

/**
 * With DISCOVERY_TRUST=ask what came by a request is run only once a person has approved exactly that.
 * @throws RuntimeError NOT_APPROVED
 */
export function refuseUnapproved(pins: DefinitionPins, definition: ServerDefinition): void {
  const { name } = definition;
  const now = pinOf(definition);
  const before = pins.get(ADDED, name)?.approved;
  if (before && pinHash(before) === pinHash(now)) return;
  pins.propose(ADDED, name, now);
  throw new RuntimeError(
    'NOT_APPROVED',
    `Server ${JSON.stringify(name)} is not run before a person has approved how it is started.`,
    {
      hint: `Whoever runs this index looks at it with ${approveCommand(name)}; then the same request is accepted.`,
    },
  );
}
