import { Command, CommanderError, Option } from 'commander';
import type { GlobalFlags } from './environment.js';
import { addIndexCommands } from './index-commands.js';
import { createOutput } from './output.js';
import { addSecretCommands } from './secret-commands.js';
import { addTokenCommands } from './token-commands.js';
import { packageVersion } from './version.js';

/** Runs one command line. @returns the exit code: 0, that of the error table, or 2 for a bad command line. */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = build((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return createOutput({ json: argv.includes('--json') }).failure(error);
  }
  return exitCode;
}

function build(finish: (code: number) => void): Command {
  const program = new Command('mcp-runtime')
    .description('One MCP server that finds, starts, runs and stops any number of other MCP servers.')
    .version(packageVersion())
    // What stands after a command belongs to it, so that `index add x -- npx -y y` reaches `add` whole.
    .enablePositionalOptions()
    .configureOutput({ writeErr: (text) => process.stderr.write(text) })
    .exitOverride();

  /** Every command takes the flags that stand for settings, and sets the exit code with what it returns. */
  const command = (usage: string, description: string) =>
    withGlobalFlags(program.command(usage).description(description).exitOverride());
  // Commands are loaded when they run: a start of `serve` must not pay for the others.
  const run =
    <A extends unknown[]>(action: (...given: A) => Promise<number>) =>
    async (...given: A) =>
      finish(await action(...given));

  command('serve', 'serve MCP to a client (stdio unless told otherwise)')
    .addOption(
      new Option('--transport <name>', 'how clients reach it')
        .choices(['stdio', 'streamable-http', 'http', 'sse'])
        .default('stdio'),
    )
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on', '8001')
    .option('--allowed-host <names...>', 'further Host names to accept over HTTP')
    .option('--allowed-origin <origins...>', 'web origins that may call over HTTP')
    .addOption(
      new Option('--expose <what>', 'our tools, one that routes to them, or those of all servers themselves')
        .choices(['tools', 'router', 'direct'])
        .default('tools'),
    )
    .option('--pin <server/tool...>', 'show these servers, or single tools of them, beside our own')
    .option(
      '--engine <where>',
      'shared, embedded in this process, or the address of one (tcp://host:port)',
      'shared',
    )
    .option('--engine-key <key>', 'key of an engine on another host; better in MCP_RUNTIME_ENGINE_KEY')
    .action(run(async (flags) => (await import('./serve.js')).serve(flags)));

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

  const engine = program
    .command('engine')
    .description('the engine that all front-ends of a home share')
    .exitOverride();
  const engineCommand = (usage: string, description: string) =>
    withGlobalFlags(engine.command(usage).description(description).exitOverride());
  engineCommand('start', 'start it if it does not run').action(
    run(async (flags: GlobalFlags) => (await import('./engine-commands.js')).startEngine(flags)),
  );
  engineCommand('stop', 'let running calls finish, then end it and all servers').action(
    run(async (flags: GlobalFlags) => (await import('./engine-commands.js')).stopEngine(flags)),
  );
  engineCommand('status', 'whether it runs, and what it does').action(
    run(async (flags: GlobalFlags) => (await import('./engine-commands.js')).engineStatus(flags)),
  );
  engineCommand('logs', 'what it said last')
    .option('--lines <count>', 'how many lines', Number, 50)
    .action(
      run(async (flags: GlobalFlags & { lines: number }) =>
        (await import('./engine-commands.js')).engineLogs(flags),
      ),
    );
  engineCommand('keygen', 'make keys for an engine that is reached over tcp').action(
    run(async (flags: GlobalFlags) => (await import('./engine-commands.js')).engineKeygen(flags)),
  );
  engineCommand('run', 'be the engine, in the foreground')
    .option('--listen <address>', 'also listen on tcp://address:port, encrypted')
    .option('--key-file <file>', 'the key that keygen made')
    .action(
      run(async (flags: GlobalFlags & { listen?: string; keyFile?: string }) =>
        (await import('./engine-process.js')).runEngine(flags),
      ),
    );

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

  return program;
}

function withGlobalFlags(command: Command): Command {
  return command
    .option('--json', 'answer as JSON')
    .option('--home <directory>', 'where everything is kept (MCP_RUNTIME_HOME)')
    .option('--config <file>', 'the servers file (MCP_RUNTIME_CONFIG)')
    .option('--env-file <file>', 'settings as NAME=value lines')
    .addOption(
      new Option('--log-level <level>', 'what is told on stderr').choices([
        'debug',
        'info',
        'warn',
        'error',
        'silent',
      ]),
    );
}
