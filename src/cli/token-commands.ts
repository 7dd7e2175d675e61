import type { Command } from 'commander';
import type { GlobalFlags } from './environment.js';
import type { CreateFlags } from './token.js';

type Add = (usage: string, description: string) => Command;
type Run = <A extends unknown[]>(action: (...given: A) => Promise<number>) => (...given: A) => Promise<void>;

/** `mcp-runtime token ...` */
export function addTokenCommands(command: Add, run: Run): void {
  command('create', 'make one; it is shown once')
    .argument('<holder>', 'whose it is: tasks and kept results belong to the holder')
    .option('--server <globs...>', 'only these servers ("git*")')
    .option('--tool <globs...>', 'only these tools ("github/list_*")')
    .option('--read-only', 'only tools that say that they do nothing but read', false)
    .option('--expires <time>', '30m, 12h, 90d or 4w; without it the token stays until it is revoked')
    .action(
      run(async (holder: string, flags: CreateFlags) =>
        (await import('./token.js')).createToken(holder, flags),
      ),
    );

  command('list', 'show who holds tokens, for what and until when').action(
    run(async (flags: GlobalFlags) => (await import('./token.js')).listTokens(flags)),
  );

  command('revoke', 'make one worthless at once, or all of a holder')
    .argument('<id|holder>')
    .action(
      run(async (which: string, flags: GlobalFlags) =>
        (await import('./token.js')).revokeToken(which, flags),
      ),
    );
}
