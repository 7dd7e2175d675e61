import { dirname } from 'node:path';
import { serverNames, withoutServer, withServer } from '../../config/edit-servers.js';
import type { RawEntry } from '../../config/import/raw-entry.js';
import { resolveServer } from '../../config/server-entry.js';
import { RuntimeError } from '../../core/errors.js';
import { exact } from '../../lib/escape.js';
import { type GlobalFlags, loadSettings } from '../environment.js';
import { createOutput } from '../output.js';
import { readText, writeText } from './file.js';
import { entryLines, variablesOf } from './shown.js';

export interface AddFlags extends GlobalFlags {
  readonly url?: string;
  readonly sse: boolean;
  readonly env?: string[];
  readonly header?: string[];
  readonly cwd?: string;
  readonly hint?: string[];
  readonly replace: boolean;
}

/** Writes one server into the servers file. A running engine sees it at once. @returns the exit code. */
export async function addServer(name: string, words: readonly string[], flags: AddFlags): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  try {
    const { settings, environment } = loadSettings(flags);
    const entry = entryOf(words, flags);
    check(name, entry);
    const text = await readText(settings.configPath);
    if (serverNames(text).includes(name) && !flags.replace) {
      throw new RuntimeError('INVALID_ARGUMENTS', `The servers file has a server ${exact(name)} already.`, {
        hint: 'Give another name, or --replace.',
      });
    }
    await writeText(settings.configPath, withServer(text, name, entry));
    const missing = variablesOf(entry).filter((variable) => !environment[variable]);
    const lines = [
      `${exact(name)} stands in ${settings.configPath} now.`,
      ...entryLines(entry),
      ...(missing.length > 0 ? [`Set ${missing.join(', ')} before it is started.`] : []),
    ];
    await output.answer(lines.join('\n'), { server: name, file: settings.configPath, entry, missing });
    return 0;
  } catch (error) {
    return output.failure(error);
  }
}

/** Takes one server out of the servers file. @returns the exit code. */
export async function removeServer(name: string, flags: GlobalFlags): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  try {
    const { settings } = loadSettings(flags);
    const text = await readText(settings.configPath);
    await writeText(settings.configPath, withoutServer(text, name));
    await output.answer(`${exact(name)} is removed from ${settings.configPath}.`, {
      server: name,
      file: settings.configPath,
      removed: true,
    });
    return 0;
  } catch (error) {
    return output.failure(error);
  }
}

function entryOf([command, ...args]: readonly string[], flags: AddFlags): RawEntry & { hints?: string[] } {
  const refuse = (why: string) =>
    new RuntimeError('INVALID_ARGUMENTS', why, {
      hint: 'For example: mcp-runtime index add files -- npx -y @modelcontextprotocol/server-filesystem /data',
    });
  const hints = flags.hint ? { hints: flags.hint } : {};
  if (flags.url !== undefined) {
    if (command !== undefined) throw refuse('Give either --url or a command, not both.');
    const headers = pairs(flags.header);
    return {
      ...(flags.sse ? { type: 'sse' } : {}),
      url: flags.url,
      ...(headers ? { headers } : {}),
      ...hints,
    };
  }
  if (command === undefined) throw refuse('Give a command after --, or --url.');
  const env = pairs(flags.env);
  return {
    command,
    args,
    ...(env ? { env } : {}),
    ...(flags.cwd === undefined ? {} : { cwd: flags.cwd }),
    ...hints,
  };
}

function pairs(words: readonly string[] | undefined): Record<string, string> | undefined {
  if (!words) return undefined;
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at <= 0)
        throw new RuntimeError('INVALID_ARGUMENTS', `${exact(word)} is not of the form name=value.`);
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

/** As the servers file will be read; a variable that is not set yet is no mistake of the entry. */
function check(name: string, entry: RawEntry): void {
  const filled: unknown = JSON.parse(JSON.stringify(entry).replace(/\$\{[^}]*\}/g, 'x'));
  const resolved = resolveServer(name, filled, { environment: {}, baseDirectory: dirname('/') });
  if (!resolved.definition) throw new RuntimeError('INVALID_ARGUMENTS', resolved.error);
}
