import type { ClientLink } from '../core/client-link.js';

/** Whose call a message of the server belongs to. */
export type Owner =
  | { readonly client: ClientLink }
  /** `none`: no call of a client waits. `several`: calls of different clients wait, and the message says not which. */
  | { readonly client: undefined; readonly why: 'none' | 'several' };

interface Waiting {
  readonly facts: { readonly options: { readonly client?: ClientLink | undefined } };
  pause(): () => void;
}

/**
 * Servers with an `initialize` do not say to which call a request or a notification belongs. Over HTTP the stream it
 * came on says so; else it is whose calls are the only ones that wait.
 * @param of the call whose stream it came on, where that is known.
 */
export function ownerOf(waiting: ReadonlyMap<unknown, Waiting>, of: number | undefined): Owner {
  const known = of === undefined ? undefined : waiting.get(of)?.facts.options.client;
  if (known) return { client: known };
  let found: ClientLink | undefined;
  for (const { facts } of waiting.values()) {
    const { client } = facts.options;
    if (!client) continue;
    if (found && found.clientId !== client.clientId) return { client: undefined, why: 'several' };
    // Of one client's calls the newest, but one whose client is there: nobody may be looking after a task.
    if (!found || !client.later || found.later) found = client;
  }
  return found ? { client: found } : { client: undefined, why: 'none' };
}

/**
 * Stops the clocks of the calls that a question to their client may belong to.
 * @returns how to let them go on.
 */
export function pauseFor(
  { client }: Owner,
  waiting: ReadonlyMap<unknown, Waiting>,
  of: number | undefined,
): () => void {
  if (!client) return () => {};
  const known = of === undefined ? undefined : waiting.get(of);
  const calls = known
    ? [known]
    : [...waiting.values()].filter(({ facts }) => facts.options.client?.clientId === client.clientId);
  const resume = calls.map((call) => call.pause());
  return () => {
    for (const go of resume) go();
  };
}
