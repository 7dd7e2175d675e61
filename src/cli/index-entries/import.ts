import { serverNames, withServer } from '../../config/edit-servers.js';
import { errorTable } from '../../core/error-table.js';
import { RuntimeError } from '../../core/errors.js';
import { exact } from '../../lib/escape.js';
import { canonicalJson } from '../../lib/hash.js';
import { type GlobalFlags, loadSettings } from '../environment.js';
import { createOutput } from '../output.js';
import { readText, undo, writeText } from './file.js';
import { confirmed, entryLines, variablesOf } from './shown.js';
import { type Candidate, type Found, fromClients, fromFile, fromRegistry } from './sources.js';

export interface ImportFlags extends GlobalFlags {
  readonly client?: string[];
  readonly file?: string;
  readonly registry?: string;
  readonly only?: string[];
  readonly yes: boolean;
  readonly undo: boolean;
}

interface Plan {
  readonly chosen: readonly Candidate[];
  readonly notes: readonly string[];
}

/** A registry answers page after page; all of it must have come within this time, ms. */
const FETCH_MS = 120_000;

/**
 * Shows what was found, exactly as it would run, and writes it into the servers file when a person, or --yes, says
 * so. Secrets of the other clients stay there: variables take their place. @returns the exit code.
 */
export async function importServers(flags: ImportFlags): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  try {
    const { settings, environment } = loadSettings(flags);
    const path = settings.configPath;
    if (flags.undo) {
      await undo(path);
      await output.answer(`${path} is as it was before.`, { file: path, undone: true });
      return 0;
    }
    if (flags.file !== undefined && flags.registry !== undefined)
      throw new RuntimeError('INVALID_ARGUMENTS', 'Give either --file or --registry.');
    const text = await readText(path);
    const { chosen, notes } = plan(await find(flags, environment), serverNames(text), flags.only);
    const changed = chosen.reduce((file, { name, entry }) => withServer(file, name, entry), text);
    const missing = [...new Set(chosen.flatMap(({ entry }) => variablesOf(entry)))].filter(
      (variable) => !environment[variable],
    );
    const shown = [...chosen.flatMap(lines), ...notes.map((note) => `note: ${note}`)];
    const set =
      missing.length > 0
        ? [
            `Set these before the servers are started, in the environment or in ${settings.home}/.env: ${missing.join(', ')}`,
          ]
        : [];
    const facts = {
      file: path,
      servers: chosen.map(({ name, entry, from, problems }) => ({ server: name, from, entry, problems })),
      notes,
      variables: missing,
    };
    if (chosen.length === 0) {
      await output.answer([...shown, 'Nothing new was found.'].join('\n'), { ...facts, written: false });
      return 0;
    }
    if (!flags.yes) output.note([...shown, ...set].join('\n'));
    const agreed = flags.yes || (await confirmed(`Write ${chosen.length} servers into ${path}?`));
    if (!agreed) {
      await output.answer('Nothing was written. --yes writes without asking.', { ...facts, written: false });
      return errorTable.FORBIDDEN.exit;
    }
    // It may have been edited while the question stood there.
    if ((await readText(path)) !== text)
      throw new RuntimeError('CONFIG_INVALID', `${path} was changed meanwhile; nothing was written.`);
    await writeText(path, changed);
    const done = `${chosen.length} servers are written into ${path}; \`mcp-runtime index import --undo\` puts it back.`;
    await output.answer([...(flags.yes ? [...shown, ...set] : []), done].join('\n'), {
      ...facts,
      written: true,
    });
    return 0;
  } catch (error) {
    return output.failure(error);
  }
}

async function find(
  flags: ImportFlags,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Found> {
  if (flags.registry !== undefined) return fromRegistry(flags.registry, AbortSignal.timeout(FETCH_MS));
  if (flags.file !== undefined) return fromFile(flags.file, flags.client);
  return fromClients(flags.client, environment);
}

/** Which of those that were found are to be written, under which names. */
function plan(found: Found, existing: readonly string[], only: readonly string[] | undefined): Plan {
  const chosen = new Map<string, Candidate>();
  const notes = [...found.notes];
  const leave = (one: Candidate, why: string) =>
    notes.push(`${exact(one.name)} (${one.from}) is left out: ${why}.`);
  for (const candidate of found.candidates) {
    const named = only?.includes(candidate.name) ?? false;
    if (only && !named) continue;
    if (candidate.problems.length > 0 && !named) {
      leave(
        candidate,
        `${candidate.problems.join('; ')}. --only ${exact(candidate.name)} takes it all the same`,
      );
      continue;
    }
    if (existing.includes(candidate.name)) {
      leave(candidate, 'the servers file has one of that name');
      continue;
    }
    const other = chosen.get(candidate.name);
    if (!other) chosen.set(candidate.name, candidate);
    else if (canonicalJson(other.entry) !== canonicalJson(candidate.entry)) {
      const name = `${candidate.name}-${candidate.origin}`;
      if (chosen.has(name) || existing.includes(name)) leave(candidate, `so is one called ${exact(name)}`);
      else chosen.set(name, { ...candidate, name });
    }
  }
  return { chosen: [...chosen.values()], notes };
}

function lines({ name, entry, from, problems }: Candidate): string[] {
  return [`${exact(name)} (${from})`, ...entryLines(entry), ...problems.map((problem) => `  ! ${problem}`)];
}
