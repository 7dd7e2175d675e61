import { readFile } from 'node:fs/promises';
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import type { Policy } from '../core/policy.js';
import { isDangling } from '../lib/dangling.js';
import { parsePolicy } from './policy.js';

/** What the policy file says. */
export interface PolicyFile {
  readonly path: string;
  /** Undefined when there is no file, or when it is not valid. */
  readonly policy: Policy | undefined;
  /** What is wrong with it, for people; then it does not count, and nothing of it. */
  readonly problems: readonly string[];
}

/** Reads the policy file; one that is not there is no policy. Never rejects. */
export async function readPolicyFile(path: string): Promise<PolicyFile> {
  try {
    return parsePolicyFile(path, await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !(await isDangling(path)))
      return { path, policy: undefined, problems: [] };
    const why = error instanceof Error ? error.message : String(error);
    return { path, policy: undefined, problems: [`The policy file ${path} cannot be read: ${why}.`] };
  }
}

/** Comments, trailing commas and a byte order mark are fine, as in the servers file. */
export function parsePolicyFile(path: string, text: string): PolicyFile {
  const errors: ParseError[] = [];
  const root: unknown = parse(text.replace(/^\uFEFF/, ' '), errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first) {
    const before = text.slice(0, first.offset);
    const line = before.split('\n').length;
    const column = first.offset - before.lastIndexOf('\n');
    const what = `${printParseErrorCode(first.error)}: the file is not valid JSON.`;
    return { path, policy: undefined, problems: [`${path}:${line}:${column}: ${what}`] };
  }
  const { policy, problems } = parsePolicy(root, 'servers');
  return { path, policy, problems: problems.map((problem) => `${path}: ${problem}.`) };
}
