import type { Command } from 'commander';
import type { GlobalFlags } from './environment.js';
import type { KeyFlags } from './secret.js';

type Add = (usage: string, description: string) => Command;
type Run = <A extends unknown[]>(action: (...given: A) => Promise<number>) => (...given: A) => Promise<void>;

/** `mcp-runtime secret ...` */
export function addSecretCommands(command: Add, run: Run): void {
  command('set', 'set or replace one; the value is typed unseen or read from standard input')
    .argument('<name>')
    .option('--keychain', 'make the key in the keychain of this system, if it is the first secret', false)
    .action(
      run(async (name: string, flags: KeyFlags) => (await import('./secret.js')).setSecret(name, flags)),
    );

  command('list', 'show names, when they were set, and which servers use them').action(
    run(async (flags: GlobalFlags) => (await import('./secret.js')).listSecrets(flags)),
  );

  command('rm', 'remove one')
    .argument('<name>')
    .action(
      run(async (name: string, flags: GlobalFlags) =>
        (await import('./secret.js')).removeSecret(name, flags),
      ),
    );

  command('rotate', 'encrypt all of them under a new key')
    .option('--keychain', 'keep the new key in the keychain of this system', false)
    .option('--key-file', 'keep the new key in a file', false)
    .action(run(async (flags: KeyFlags) => (await import('./secret.js')).rotateKey(flags)));
}
