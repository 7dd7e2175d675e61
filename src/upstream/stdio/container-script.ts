import { basename } from 'node:path';

const SHELLS = new Set(['sh', 'bash', 'dash', 'ash', 'ksh', 'zsh']);
/** A word that the shell takes as it stands. */
const PLAIN = '[^\\s\'"`$\\\\;&|<>()*?\\[\\]{}#!~]+';
/**
 * `docker run` where a command of the script begins: assignments and `exec` may stand before it, plain flags of the
 * engine and `container` between its words. Anything cleverer is left alone.
 */
const RUN = new RegExp(
  '(?<before>^|[;&|(\\n]|\\b(?:then|do|else)\\s)' +
    `\\s*(?<assigned>(?:[A-Za-z_]\\w*=${PLAIN}\\s+)*)(?:exec\\s+)?` +
    '(?<engine>(?:[\\w./-]*/)?(?:docker|podman|nerdctl))' +
    `(?<flags>(?:\\s+${PLAIN})*?)(?<container>\\s+container)?\\s+run(?=\\s)`,
  'g',
);

/** A script whose containers can be found again. */
export interface LabelledScript {
  /** The arguments of the shell, with the label in the script. */
  readonly args: readonly string[];
  /** The container engine as the script calls it, and how: flags before `run`, assignments before the command. */
  readonly engine: string;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Writes a label into each `docker run` of `sh -c "..."`. What the shell makes of the rest is not touched.
 * @param label of characters that mean nothing to a shell.
 * @returns undefined when there is none, or no certainty.
 */
export function labelScript(
  command: string,
  args: readonly string[],
  label: string,
): LabelledScript | undefined {
  if (!SHELLS.has(basename(command)) || !/^[\w.:/=-]+$/.test(label)) return undefined;
  const at = args.findIndex((word) => /^-[a-z]*c[a-z]*$/i.test(word)) + 1;
  const script = at > 0 ? args[at] : undefined;
  if (script === undefined) return undefined;
  const found = [...script.matchAll(RUN)].filter(({ groups }) => isRun(words(groups?.['flags'])));
  const first = found[0]?.groups;
  if (!first) return undefined;
  let written = '';
  let from = 0;
  for (const { 0: text, index } of found) {
    written += `${script.slice(from, index + text.length)} --label=${label}`;
    from = index + text.length;
  }
  return {
    args: [...args.slice(0, at), written + script.slice(from), ...args.slice(at + 1)],
    engine: first['engine'] ?? '',
    flags: words(first['flags']),
    env: Object.fromEntries(
      words(first['assigned']).map((one) => one.split(/=(.*)/s, 2) as [string, string]),
    ),
  };
}

/** Between the engine and `run` there are flags and their values alone; `docker exec x run` is something else. */
function isRun(between: readonly string[]): boolean {
  return between.every((word, index) => word.startsWith('-') || /^--?[\w-]+$/.test(between[index - 1] ?? ''));
}

const words = (text = ''): string[] => text.split(/\s+/).filter((word) => word !== '');
