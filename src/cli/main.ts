import { CommanderError, Option } from 'commander';
import { type CommandKit, commandKit } from './command-kit.js';
import type { GlobalFlags } from './environment.js';
import { createOutput } from './output.js';

/** Runs one command line. @returns the exit code: 0, that of the error table, or 2 for a bad command line. */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const kit = commandKit((code) => {
    exitCode = code;
  });
  // A start of `serve`, and of an engine, must not pay for describing the others.
  const more = ['serve', 'engine'].includes(String(argv[0])) ? undefined : await import('./more-commands.js');
  // In the order in which help shows them.
  addServe(kit);
  more?.addCommandsOfUse(kit);
  addEngine(kit);
  more?.addCommandsOfCare(kit);
  try {
    await kit.program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return createOutput({ json: argv.includes('--json') }).failure(error);
  }
  return exitCode;
}

function addServe({ command, run }: CommandKit): void {
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
}

function addEngine({ program, withGlobalFlags, run }: CommandKit): void {
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
}
