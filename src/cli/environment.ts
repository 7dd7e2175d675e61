import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { homePath } from '../config/home.js';
import { type Environment, type Platform, resolveSettings, type Settings } from '../config/settings.js';
import { RuntimeError } from '../core/errors.js';

/** Flags that stand for settings; they win over the environment and the .env file. */
export interface GlobalFlags {
  readonly home?: string;
  readonly config?: string;
  readonly envFile?: string;
  readonly json?: boolean;
  readonly logLevel?: string;
}

/**
 * Flags over environment over `.env`. The `.env` file is that of the home, or the one named by --env-file; never
 * that of the working directory, since a client may start us inside a project somebody else wrote.
 */
export function loadSettings(flags: GlobalFlags): { settings: Settings; environment: Environment } {
  const platform: Platform = {
    name: process.platform,
    homeDirectory: homedir(),
    workingDirectory: process.cwd(),
  };
  const given: Environment = {
    ...process.env,
    ...(flags.home === undefined ? {} : { MCP_RUNTIME_HOME: flags.home }),
    ...(flags.config === undefined ? {} : { MCP_RUNTIME_CONFIG: flags.config }),
    ...(flags.logLevel === undefined ? {} : { LOG_LEVEL: flags.logLevel }),
  };
  const file = flags.envFile ?? join(homePath(given, platform), '.env');
  const environment = { ...readEnvFile(file, flags.envFile !== undefined), ...withoutEmpty(given) };
  return { settings: resolveSettings(environment, platform), environment };
}

function readEnvFile(path: string, named: boolean): Record<string, string> {
  try {
    return parse(readFileSync(path));
  } catch (error) {
    if (!named) return {};
    throw new RuntimeError(
      'CONFIG_INVALID',
      `The file ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      {
        hint: 'Check the path given with --env-file.',
        cause: error,
      },
    );
  }
}

/** An empty variable does not hide what the file says. */
const withoutEmpty = (environment: Environment): Environment =>
  Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''));
