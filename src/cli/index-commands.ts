import type { Command } from 'commander';
import type { GlobalFlags } from './environment.js';
import type { AddFlags } from './index-entries/add.js';
import type { ImportFlags } from './index-entries/import.js';
import type { ServeIndexFlags } from './index-server/serve-index.js';

type Add = (usage: string, description: string) => Command;
type Run = <A extends unknown[]>(action: (...given: A) => Promise<number>) => (...given: A) => Promise<void>;

/** The commands beside `index`: what fills the servers file, and what serves an index to others. */
export function addIndexCommands(command: Add, run: Run): void {
  command('serve', 'serve the mcp_index API to other runtimes')
    .option('--host <host>', 'address to listen on; beyond this machine it needs INDEX_API_KEY', '127.0.0.1')
    .option('--port <port>', 'port to listen on', '8000')
    .option('--allowed-host <names...>', 'further Host names to accept')
    .option('--allowed-origin <origins...>', 'web origins that may call')
    .option('--include-file', 'also serve the servers file (needs ENCRYPTION_KEY)', false)
    .action(
      run(async (flags: ServeIndexFlags) =>
        (await import('./index-server/serve-index.js')).serveIndex(flags),
      ),
    );

  command('add', 'add a server to the servers file')
    .argument('<name>')
    .argument('[command...]', 'after --: the program and its arguments')
    .option('--url <url>', 'a remote server instead of a program')
    .option('--sse', 'the remote server speaks HTTP+SSE', false)
    .option('--env <name=value...>', 'environment of the program')
    .option('--header <name=value...>', 'headers for the remote server')
    .option('--cwd <directory>', 'where the program is started')
    .option('--hint <sentence...>', 'for the model, and for search')
    .option('--replace', 'in place of a server of that name', false)
    .action(
      run(async (name: string, words: string[], flags: AddFlags) =>
        (await import('./index-entries/add.js')).addServer(name, words, flags),
      ),
    );

  command('remove', 'take a server out of the servers file')
    .argument('<name>')
    .action(
      run(async (name: string, flags: GlobalFlags) =>
        (await import('./index-entries/add.js')).removeServer(name, flags),
      ),
    );

  command('import', 'take over servers from the configurations of other clients, or from a registry')
    .option('--client <name...>', 'only from these clients')
    .option('--file <file>', 'from this file; --client says whose form it has')
    .option('--registry <file|url>', 'from a server.json, a list of them, or a registry')
    .option('--only <names...>', 'only these servers')
    .option('--yes', 'write without asking', false)
    .option('--undo', 'put the servers file back as it was before the last change', false)
    .action(
      run(async (flags: ImportFlags) => (await import('./index-entries/import.js')).importServers(flags)),
    );

  command('approve', 'the same as `mcp-runtime approve`')
    .argument('<name>')
    .option('--yes', 'without asking', false)
    .action(
      run(async (name: string, flags: GlobalFlags & { yes: boolean }) =>
        (await import('./approvals/approve.js')).approve(name, flags),
      ),
    );

  command('keygen', 'make a key for ENCRYPTION_KEY').action(
    run(async (flags: GlobalFlags) => {
      const [{ generateFernetKey }, { createOutput }] = await Promise.all([
        import('../lib/fernet.js'),
        import('./output.js'),
      ]);
      const key = generateFernetKey();
      await createOutput({ json: flags.json === true }).answer(key, { key });
      return 0;
    }),
  );
}
