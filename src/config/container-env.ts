import { basename } from 'node:path';

const CONTAINER_PROGRAMS = new Set(['docker', 'podman', 'nerdctl']);

/**
 * `docker run -e NAME=${...}` as `-e NAME`, with the value in the environment of docker: arguments can be read by every
 * user of the machine, the environment cannot. What holds no placeholder stays as it is.
 */
export function valuesOutOfArguments(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): { args: readonly string[]; env: Readonly<Record<string, string>> } {
  if (!CONTAINER_PROGRAMS.has(basename(command).replace(/\.exe$/i, ''))) return { args, env };
  const moved: Record<string, string> = {};
  /** `NAME=value` -> `NAME`, where the value is a secret one. */
  const nameAlone = (word: string): string => {
    const [, name, value] = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(word) ?? [];
    if (name === undefined || value === undefined || !value.includes('${') || Object.hasOwn(env, name))
      return word;
    moved[name] = value;
    return name;
  };
  const changed = args.map((word, at) => {
    if (args[at - 1] === '-e' || args[at - 1] === '--env') return nameAlone(word);
    const [, flag, rest] = /^(--env=|-e)(.+)$/.exec(word) ?? [];
    return flag === undefined || rest === undefined ? word : flag + nameAlone(rest);
  });
  return { args: changed, env: { ...env, ...moved } };
}
