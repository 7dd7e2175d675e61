import { dirname } from 'node:path';
import { readServersFile, requireUsable } from '../config/servers-file.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { createOutput } from './output.js';
import { runOperation } from './run-operation.js';

const BAR_WIDTH = 24;

/** `mcp-runtime index`: learns now, with a bar on a terminal and a line per server elsewhere. */
export async function learn(
  servers: readonly string[],
  flags: GlobalFlags & { again: boolean },
): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  try {
    const { settings, environment } = loadSettings(flags);
    requireUsable(
      await readServersFile(settings.configPath, {
        environment,
        mustExist: settings.configNamed,
        baseDirectory: dirname(settings.configPath),
      }),
    );
  } catch (error) {
    return output.failure(error);
  }
  const terminal = process.stderr.isTTY === true;
  const code = await runOperation(
    flags,
    'learn_servers',
    { again: flags.again, ...(servers.length > 0 ? { server_names: servers } : {}) },
    ({ progress, total = progress, message = '' }) => {
      if (!terminal) return output.note(`${progress}/${total} ${message}`);
      const done = Math.round((progress / Math.max(total, 1)) * BAR_WIDTH);
      const bar = `${'█'.repeat(done)}${'░'.repeat(BAR_WIDTH - done)}`;
      // \r and "erase to the end of the line": one line that moves.
      process.stderr.write(
        `\r${bar} ${progress}/${total} ${message.slice(0, 60)}\u001b[K${progress === total ? '\n' : ''}`,
      );
    },
  );
  return code;
}
