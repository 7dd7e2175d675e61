import type { CommandKit } from './command-kit.js';
import type { GlobalFlags } from './environment.js';
import { addIndexCommands } from './index-commands.js';
import { addSecretCommands } from './secret-commands.js';
import { addTokenCommands } from './token-commands.js';

/** Finding and calling tools. */
export function addCommandsOfUse({ command, withGlobalFlags, run }: CommandKit): void {
  const index = command('index', 'learn the tools of all servers now; fill, serve and approve what is found')
    // What stands after a sub-command belongs to it, also where both know the flag.
    .enablePositionalOptions()
    .argument('[servers...]', 'only these')
    .option('--again', 'also those that are known already', false)
    .action(run(async (servers: string[], flags) => (await import('./learn.js')).learn(servers, flags)));
  addIndexCommands(
    (usage, description) => withGlobalFlags(index.command(usage).description(description).exitOverride()),
    run,
  );

  command('search', 'find a tool in plain words')
    .argument('<query...>')
    .option('--limit <count>', 'most hits', Number)
    .option('--min-score <score>', 'least score, 0 to 1', Number)
    .option('--servers', 'search servers instead of tools', false)
    .action(
      run(
        async (
          words: string[],
          flags: GlobalFlags & { limit?: number; minScore?: number; servers: boolean },
        ) => {
          const { runOperation } = await import('./run-operation.js');
          return runOperation(flags, flags.servers ? 'search_servers' : 'search_tools', {
            query: words.join(' '),
            limit: flags.limit,
            min_score: flags.minScore,
          });
        },
      ),
    );

  command('tools', 'list servers, the tools of one, or one tool in detail')
    .argument('[server]')
    .argument('[tool]')
    .option('--limit <count>', 'how many', Number)
    .option('--offset <count>', 'from where', Number)
    .action(
      run(
        async (
          server: string | undefined,
          tool: string | undefined,
          flags: GlobalFlags & { limit?: number; offset?: number },
        ) => {
          const { runOperation } = await import('./run-operation.js');
          const page = { limit: flags.limit, offset: flags.offset };
          if (server === undefined) return runOperation(flags, 'list_servers', page);
          if (tool === undefined)
            return runOperation(flags, 'get_server_tools', { server_name: server, ...page });
          return runOperation(flags, 'get_tool_details', { server_name: server, tool_name: tool });
        },
      ),
    );

  command('call', 'run one tool and print its result')
    .argument('<server>')
    .argument('<tool>')
    .argument('[arguments...]', 'name=value; a value may be JSON')
    .option('--arguments <json>', 'all arguments as a JSON object')
    .option('--timeout <seconds>', 'time for the call', Number)
    .action(
      run(
        async (
          server: string,
          tool: string,
          words: string[],
          flags: GlobalFlags & { arguments?: string; timeout?: number },
        ) => {
          const [{ runOperation }, { toolArguments }] = await Promise.all([
            import('./run-operation.js'),
            import('./call.js'),
          ]);
          return runOperation(flags, 'execute_tool', {
            server_name: server,
            tool_name: tool,
            arguments: toolArguments(words, flags.arguments),
            timeout: flags.timeout,
          });
        },
      ),
    );

  command('ps', 'show the engine, its clients, running servers and tasks').action(
    run(async (flags: GlobalFlags) =>
      (await import('./run-operation.js')).runOperation(flags, 'get_status', {}),
    ),
  );
}

/** What keeps a home in order and safe. */
export function addCommandsOfCare({ program, command, withGlobalFlags, run }: CommandKit): void {
  command('auth', 'get a remote server authorised (OAuth), with a browser')
    .argument('<server>')
    .option('--client-id <id>', 'a client registered by hand; its secret in MCP_RUNTIME_CLIENT_SECRET')
    .option('--scope <scope>', 'what to ask for, instead of what the server says')
    .option('--allow-local', 'a server on this machine may name an authority on this machine', false)
    .option('--forget', 'forget the tokens of the server', false)
    .action(run(async (server: string, flags) => (await import('./auth.js')).authorize(server, flags)));

  const secret = program
    .command('secret')
    .description('values that servers need and nobody else may see; definitions name them ${secret:NAME}')
    .exitOverride();
  addSecretCommands(
    (usage, description) => withGlobalFlags(secret.command(usage).description(description).exitOverride()),
    run,
  );

  command('audit', 'show who had what done, or verify that the log is as it was written')
    .option('--verify', 'look for changed, moved and missing records', false)
    .option('--known <hash>', 'with --verify: a hash that was told earlier must still be there')
    .option('--server <glob>', 'only of these servers')
    .option('--tool <glob>', 'only of these tools')
    .option('--client <glob>', 'only of these clients')
    .option('--outcome <glob>', 'only what ended so: ok, tool-error, or the code of an error')
    .option('--since <time>', 'only since then')
    .option('--limit <count>', 'the last so many', Number, 100)
    .action(run(async (flags) => (await import('./audit.js')).audit(flags)));

  command('approve', 'show what is new or has changed of servers and tools, and approve it')
    .argument('[server]', 'all that wait, without it')
    .option('--tool <names...>', 'only these tools of the server')
    .option('--yes', 'without asking', false)
    .option('--revoke', 'take the approval back instead', false)
    .action(
      run(async (server: string | undefined, flags) =>
        (await import('./approvals/approve.js')).approve(server, flags),
      ),
    );

  const token = program
    .command('token')
    .description('who may use this runtime over HTTP, and for what')
    .exitOverride();
  addTokenCommands(
    (usage, description) => withGlobalFlags(token.command(usage).description(description).exitOverride()),
    run,
  );

  command('doctor', 'check this machine and the configuration, and explain').action(
    run(async (flags: GlobalFlags) => (await import('./doctor.js')).doctor(flags)),
  );
}
