import type { ClientLink } from '../core/client-link.js';
import { RuntimeError } from '../core/errors.js';
import { deadline, untilAborted } from '../lib/abort.js';
import { printable } from '../lib/printable.js';

/** How long a person may think about one call, ms. */
const THINKING_MS = 600_000;
/** Of the arguments, that a person is shown. */
const MAX_SHOWN = 2_000;

/** A call of a tool that somebody wants made. */
export interface Wanted {
  readonly server: string;
  readonly tool: string;
  readonly arguments: unknown;
}

/**
 * Asks the person at the client whether this very call may be made.
 * @throws RuntimeError NOT_CONFIRMED unless the answer is yes.
 */
export async function confirm(
  wanted: Wanted,
  client: ClientLink | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { server, tool } = wanted;
  if (!client || !takesForms(client)) {
    throw notConfirmed(wanted, 'and this client cannot be asked', 'cannot-ask');
  }
  const question = {
    message: `Run the tool "${oneName(tool)}" of the server "${oneName(server)}"? Its arguments: ${shown(wanted.arguments)}`,
    requestedSchema: { type: 'object', properties: {} },
  };
  using limit = deadline(THINKING_MS, () => notConfirmed(wanted, 'and nobody answered', 'no-answer'), signal);
  const answer = (await untilAborted(
    client.ask('elicitation/create', question).catch((error: unknown) => {
      const { message } = (error ?? {}) as { message?: unknown };
      throw notConfirmed(
        wanted,
        `and the client could not ask: ${String(message).slice(0, 200)}`,
        'cannot-ask',
      );
    }),
    limit.signal,
  )) as { action?: unknown } | null;
  if (answer?.action !== 'accept') throw notConfirmed(wanted, 'and it was declined', 'declined');
}

/** The policy wants a yes that was not given. */
export function notConfirmed(
  { server, tool }: Pick<Wanted, 'server' | 'tool'>,
  why: string,
  reason: string,
): RuntimeError {
  return new RuntimeError(
    'NOT_CONFIRMED',
    `The tool "${tool}" of server "${server}" runs only after a person confirmed the call, ${why}. It was not run.`,
    {
      hint:
        reason === 'cannot-ask'
          ? 'Use a client that supports elicitation, or let the user change "confirm" in the policy.'
          : 'Do not repeat the call unless the user asks for it.',
      data: { reason },
    },
  );
}

/** Before 2025-11-25 the capability had no parts and meant forms. */
function takesForms({ capabilities }: ClientLink): boolean {
  const declared = capabilities['elicitation'];
  if (typeof declared !== 'object' || declared === null) return false;
  return Object.keys(declared).length === 0 || 'form' in declared;
}

const oneName = (name: string) => printable(name).replace(/\s+/g, ' ').slice(0, 200);

function shown(args: unknown): string {
  // In JSON, what is invisible and outside of ASCII control is still itself.
  const text = printable(JSON.stringify(args ?? {}) ?? '');
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}… (${text.length} characters)` : text;
}
