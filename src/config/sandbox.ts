import { isAbsolute, resolve } from 'node:path';
import type { Sandbox } from '../core/server.js';
import { nearest } from '../lib/nearest.js';

type Parsed =
  | { readonly sandbox: Sandbox }
  | { readonly sandbox: undefined; readonly problems: readonly string[] };

const KEYS = ['network', 'write', 'read', 'hide', 'docker'];

/**
 * Reads the sandbox of a definition: `true`, or what it lets through.
 * @param path makes the absolute path of one that was written, placeholders filled.
 */
export function parseSandbox(raw: unknown, fill: (text: string) => string, baseDirectory: string): Parsed {
  if (raw === true) return { sandbox: { network: false, write: [], read: [], hide: [] } };
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return { sandbox: undefined, problems: ['it must be true or an object; without one there is none'] };
  const given = raw as Readonly<Record<string, unknown>>;
  const problems: string[] = [];
  for (const key of Object.keys(given)) {
    if (KEYS.includes(key)) continue;
    const [like] = nearest(key, KEYS, 1);
    problems.push(`"${key}" is not known${like ? ` (did you mean "${like}"?)` : ''}`);
  }
  const { network = false, docker } = given;
  if (typeof network !== 'boolean') problems.push('"network" must be true or false');
  if (docker !== undefined && (typeof docker !== 'string' || !/^[\w][\w./:@-]*$/.test(docker)))
    problems.push('"docker" must be the name of an image');
  const paths = (key: 'write' | 'read' | 'hide'): string[] => {
    const list = given[key] ?? [];
    if (!Array.isArray(list) || list.some((one) => typeof one !== 'string' || one === '')) {
      problems.push(`"${key}" must be a list of directories`);
      return [];
    }
    const absolute = (list as string[])
      .map(fill)
      .map((one) => (isAbsolute(one) ? one : resolve(baseDirectory, one)));
    if (absolute.some((one) => resolve(one) === '/'))
      problems.push(`"${key}" must not be all of the file system`);
    return absolute;
  };
  const sandbox: Sandbox = {
    network: network === true,
    write: paths('write'),
    read: paths('read'),
    hide: paths('hide'),
    ...(typeof docker === 'string' ? { docker } : {}),
  };
  return problems.length > 0 ? { sandbox: undefined, problems } : { sandbox };
}
