import { isAbsolute, join, resolve } from 'node:path';

/** Environment variables as they come from outside. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Platform {
  readonly name: string;
  readonly homeDirectory: string;
  readonly workingDirectory: string;
}

/** Where everything is kept: MCP_RUNTIME_HOME, or the platform's place for a program's data. An absolute path. */
export function homePath(environment: Environment, platform: Platform): string {
  const named = environment['MCP_RUNTIME_HOME']?.trim();
  const home = named || defaultHome(environment, platform);
  return isAbsolute(home) ? home : resolve(platform.workingDirectory, home);
}

function defaultHome(environment: Environment, { name, homeDirectory }: Platform): string {
  if (name === 'darwin') return join(homeDirectory, 'Library', 'Application Support', 'mcp-runtime');
  if (name === 'win32')
    return join(environment['LOCALAPPDATA'] ?? join(homeDirectory, 'AppData', 'Local'), 'mcp-runtime');
  return join(environment['XDG_DATA_HOME'] || join(homeDirectory, '.local', 'share'), 'mcp-runtime');
}
