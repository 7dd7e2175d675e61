import { randomUUID } from 'node:crypto';
import type { ClientLink } from '../core/client-link.js';
import { deadline, untilAborted } from '../lib/abort.js';

/** How long the person has, ms. */
const PATIENCE_MS = 300_000;

/**
 * Asks whoever sits before the client for a secret that is missing. The value is entered in a browser, never in a form
 * of the client: that would show it to the client, and often to the model (2025-11-25, elicitation, security).
 * @param keep takes the value that was entered.
 * @returns whether the person said yes; false also where nobody can be asked. Never rejects.
 */
export async function askForSecret(
  what: { server: string; secret: string },
  client: ClientLink | undefined,
  signal: AbortSignal,
  keep: (value: string) => Promise<void>,
): Promise<boolean> {
  const mode = client && modeOf(client);
  if (!client || !mode) return false;
  using limit = deadline(PATIENCE_MS, () => new Error('nobody answered'));
  const both = AbortSignal.any([signal, limit.signal]);
  // Few engines ever ask, and each would load Node's HTTP for it.
  const { openSecretPage } = await import('./secret-page.js');
  const page = await openSecretPage(what, keep).catch(() => undefined);
  if (!page) return false;
  const needs = `The server "${what.server}" needs the secret ${what.secret}, which is not set.`;
  try {
    if (mode === 'url') {
      const elicitationId = randomUUID();
      const message = `${needs} It is entered on a page of mcp-runtime on this machine.`;
      const ask = client.ask('elicitation/create', { mode, elicitationId, url: page.url, message });
      // The page may be done before the client says that it was opened.
      const first = await untilAborted(Promise.race([ask, page.entered.then(() => 'entered')]), both);
      if (first !== 'entered' && !accepted(first)) return false;
      await untilAborted(page.entered, both);
      client.tell('notifications/elicitation/complete', { elicitationId });
      return true;
    }
    const message = `${needs} Open ${page.url} in a browser on this machine and enter it there, or run "mcp-runtime secret set ${what.secret}" in a terminal; then accept. Do not enter it here.`;
    const ask = client.ask('elicitation/create', {
      message,
      requestedSchema: { type: 'object', properties: {} },
    });
    return accepted(await untilAborted(ask, both));
  } catch {
    return false;
  } finally {
    page.close();
  }
}

/** Only a person at this machine, and only in a way in which the model does not answer. */
function modeOf(client: ClientLink): 'url' | 'form' | undefined {
  const declared = client.capabilities['elicitation'];
  if (client.workspace === undefined || client.later) return undefined;
  if (typeof declared !== 'object' || declared === null) return undefined;
  const modes = Object.keys(declared);
  if (modes.includes('url')) return 'url';
  // Before 2025-11-25 the capability had no parts and meant forms.
  return modes.length === 0 || modes.includes('form') ? 'form' : undefined;
}

const accepted = (answer: unknown) => (answer as { action?: unknown } | undefined)?.action === 'accept';
