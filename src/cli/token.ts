import { RuntimeError } from '../core/errors.js';
import type { TokenRecord } from '../http/access/token-file.js';
import { ensurePrivateDir } from '../lib/private-dir.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { openTokens } from './http-access.js';
import { createOutput, type Output } from './output.js';

export interface CreateFlags extends GlobalFlags {
  readonly server?: string[];
  readonly tool?: string[];
  readonly readOnly: boolean;
  readonly expires?: string;
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

async function command(
  flags: GlobalFlags,
  work: (tokens: ReturnType<typeof openTokens>, output: Output) => Promise<number>,
): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  try {
    const { settings } = loadSettings(flags);
    await ensurePrivateDir(settings.home);
    return await work(openTokens(settings), output);
  } catch (error) {
    return output.failure(error);
  }
}

/** Prints the token once; what is kept cannot be turned back into it. */
export function createToken(holder: string, flags: CreateFlags): Promise<number> {
  return command(flags, async (tokens, output) => {
    const expiresAt = flags.expires === undefined ? undefined : Date.now() + durationOf(flags.expires);
    const scope = { servers: flags.server ?? [], tools: flags.tool ?? [], readOnly: flags.readOnly };
    const { token, record } = await tokens.create({ holder, expiresAt, ...scope });
    output.note(
      `The token of ${holder} (${describe(record)}), shown this once; clients send it as "Authorization: Bearer ...":`,
    );
    await output.answer(token, { token, ...shown(record) });
    return 0;
  });
}

export function listTokens(flags: GlobalFlags): Promise<number> {
  return command(flags, async (tokens, output) => {
    const records = await tokens.list();
    const lines = (records ?? []).map((record) => `${record.id}  ${record.holder}  ${describe(record)}`);
    const none =
      records === undefined
        ? 'There are no tokens, and none is asked for on this machine.'
        : 'There are no tokens.';
    await output.answer(lines.length > 0 ? lines.join('\n') : none, {
      required: records !== undefined,
      tokens: (records ?? []).map(shown),
    });
    return 0;
  });
}

/** By id, or all of a holder. Counts at once, also for what is connected. */
export function revokeToken(which: string, flags: GlobalFlags): Promise<number> {
  return command(flags, async (tokens, output) => {
    const gone = await tokens.revoke(which);
    if (gone.length === 0)
      throw new RuntimeError('UNAUTHORIZED', 'There is no token of that id or holder.', {
        hint: '`mcp-runtime token list` shows all.',
      });
    const what = gone.map(({ id, holder }) => `${id} of ${holder}`).join(', ');
    await output.answer(`Revoked: ${what}. A token is still asked for.`, { revoked: gone.map(shown) });
    return 0;
  });
}

function describe({ servers, tools, readOnly, expiresAt }: TokenRecord): string {
  const what = [...servers, ...tools].join(', ') || 'everything';
  const reads = readOnly ? ', only what reads' : '';
  if (expiresAt === undefined) return `${what}${reads}; does not expire`;
  const verb = expiresAt <= Date.now() ? 'expired' : 'expires';
  return `${what}${reads}; ${verb} ${new Date(expiresAt).toISOString()}`;
}

const shown = ({ hash: _hash, createdAt, expiresAt, ...record }: TokenRecord) => ({
  ...record,
  created: new Date(createdAt).toISOString(),
  expires: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
});

/** `30m`, `12h`, `90d`, `4w` -> ms. */
function durationOf(text: string): number {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS[unit ?? ''] ?? 0);
  if (ms > 0) return ms;
  throw new RuntimeError('INVALID_ARGUMENTS', `"${text}" is no time after which a token may expire.`, {
    hint: 'Write it as 30m, 12h, 90d or 4w.',
  });
}
