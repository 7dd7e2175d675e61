import { join } from 'node:path';
import { RuntimeError } from '../core/errors.js';
import { createLogger } from '../lib/log.js';
import { login } from '../upstream/oauth/login.js';
import { TokenStore } from '../upstream/oauth/token-store.js';
import { readServers } from './compose.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { createOutput } from './output.js';
import { untilStopped } from './signals.js';

export interface AuthFlags extends GlobalFlags {
  readonly clientId?: string;
  readonly scope?: string;
  readonly allowLocal?: boolean;
  readonly forget?: boolean;
}

/** How long the person has, ms. */
const PATIENCE_MS = 600_000;

/** Gets tokens for a remote server from whoever sits at this machine. */
export async function authorize(server: string, flags: AuthFlags): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  const stop = untilStopped();
  const leaving = new AbortController();
  void stop.signalled.then(() =>
    leaving.abort(new RuntimeError('CANCELLED', 'The authorisation was interrupted.')),
  );
  try {
    const { settings, environment } = loadSettings(flags);
    const logger = createLogger(settings.logLevel);
    const { definitions } = await readServers({ settings, environment, logger });
    const definition = definitions.find((one) => one.name === server);
    if (!definition)
      throw new RuntimeError(
        'SERVER_NOT_FOUND',
        `There is no server "${server}" in ${settings.configPath}.`,
        {
          hint: '`mcp-runtime tools` lists them.',
        },
      );
    if (definition.transport === 'stdio')
      throw new RuntimeError(
        'CONFIG_INVALID',
        `The server "${server}" is started here and needs no authorisation.`,
      );
    const store = new TokenStore(join(settings.home, 'oauth'));
    if (flags.forget) {
      await store.forget({ server, url: definition.url });
      await output.answer(`The tokens of "${server}" are forgotten.`, { server, authorised: false });
      return 0;
    }
    const secret = environment['MCP_RUNTIME_CLIENT_SECRET'];
    const late = AbortSignal.timeout(PATIENCE_MS);
    const asked = await login(definition, {
      store,
      send: fetch,
      signal: AbortSignal.any([leaving.signal, late]),
      onUrl: (url) => output.note(`Open this address in a browser and allow the access:\n\n  ${url}\n`),
      client: flags.clientId === undefined ? undefined : { id: flags.clientId, secret },
      scope: flags.scope,
      allowLocal: flags.allowLocal === true,
    });
    const text = asked ? `"${server}" is authorised.` : `"${server}" asks for no authorisation.`;
    await output.answer(text, { server, authorised: asked });
    return 0;
  } catch (error) {
    return await output.failure(error);
  } finally {
    stop.release();
  }
}
