import { Command, Option } from 'commander';
import { packageVersion } from './version.js';

type Run = <A extends unknown[]>(action: (...given: A) => Promise<number>) => (...given: A) => Promise<void>;

/** What commands are described with. */
export interface CommandKit {
  readonly program: Command;
  /** Every command takes the flags that stand for settings. */
  readonly command: (usage: string, description: string) => Command;
  readonly withGlobalFlags: (command: Command) => Command;
  /** Sets the exit code with what the action returns. Commands are loaded when they run. */
  readonly run: Run;
}

/** An empty program. @param finish gets the exit code of the command that ran. */
export function commandKit(finish: (code: number) => void): CommandKit {
  const program = new Command('mcp-runtime')
    .description('One MCP server that finds, starts, runs and stops any number of other MCP servers.')
    .version(packageVersion())
    // What stands after a command belongs to it, so that `index add x -- npx -y y` reaches `add` whole.
    .enablePositionalOptions()
    .configureOutput({ writeErr: (text) => process.stderr.write(text) })
    .exitOverride();
  return {
    program,
    command: (usage, description) =>
      withGlobalFlags(program.command(usage).description(description).exitOverride()),
    withGlobalFlags,
    run:
      (action) =>
      async (...given) =>
        finish(await action(...given)),
  };
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
