import type { Confirm, Policy, PolicyRule } from '../core/policy.js';
import { isPlainObject } from '../lib/json-object.js';
import { nearest } from '../lib/nearest.js';

/** A policy as it was written, or all that is wrong with it. Half a policy is none: the missing half may be the lock. */
export type ParsedPolicy =
  | { readonly policy: Policy; readonly problems: readonly [] }
  | { readonly policy: undefined; readonly problems: readonly string[] };

/** `servers`: of all of them, text is `server` or `server/tool`. `tools`: of one definition, text is a tool. */
type Scope = 'servers' | 'tools';

const CONFIRM: readonly Confirm[] = ['never', 'destructive', 'always'];
const KEYS = ['allow', 'deny', 'confirm'];
const NAMES = ['server', 'tool', 'client'] as const;
const HINTS = ['readOnly', 'destructive'] as const;

/** Reads `{allow, deny, confirm}`; problems name the place and the nearest word that is known. */
export function parsePolicy(raw: unknown, scope: Scope): ParsedPolicy {
  const problems: string[] = [];
  if (!isPlainObject(raw)) return { policy: undefined, problems: ['the policy must be an object'] };
  checkKeys(raw, KEYS, '', problems);
  const list = (key: 'allow' | 'deny') =>
    raw[key] === undefined ? undefined : rulesOf(raw[key], key, scope, problems);
  const { confirm } = raw;
  const word = CONFIRM.find((one) => one === confirm);
  if (typeof confirm === 'string' && !word)
    problems.push(`"confirm": ${JSON.stringify(confirm)} is not known${meant(confirm, CONFIRM)}`);
  const confirmRules =
    confirm === undefined || typeof confirm === 'string'
      ? undefined
      : rulesOf(confirm, 'confirm', scope, problems);
  const policy = given({ allow: list('allow'), deny: list('deny'), confirm: word, confirmRules });
  return problems.length > 0 ? { policy: undefined, problems } : { policy, problems: [] };
}

function rulesOf(raw: unknown, key: string, scope: Scope, problems: string[]): PolicyRule[] {
  if (!Array.isArray(raw)) {
    const what =
      key === 'confirm' ? '"never", "destructive", "always" or a list of rules' : 'a list of rules';
    problems.push(`"${key}" must be ${what}`);
    return [];
  }
  return raw.map((rule: unknown, index) => ruleOf(rule, `${key}[${index}]`, scope, problems));
}

function ruleOf(raw: unknown, place: string, scope: Scope, problems: string[]): PolicyRule {
  if (typeof raw === 'string' && raw !== '') {
    if (scope === 'tools') return { tool: raw };
    // The first slash ends the name of the server; names of tools may have more of them.
    const slash = raw.indexOf('/');
    return slash < 0 ? { server: raw } : { server: raw.slice(0, slash), tool: raw.slice(slash + 1) };
  }
  if (!isPlainObject(raw)) {
    problems.push(`${place} must be text or an object`);
    return {};
  }
  const names = NAMES.filter((name) => scope === 'servers' || name !== 'server');
  checkKeys(raw, [...names, ...HINTS], `${place}: `, problems);
  if (Object.keys(raw).length === 0) problems.push(`${place} says nothing; "*" stands for everything`);
  for (const name of names)
    if (raw[name] !== undefined && (typeof raw[name] !== 'string' || raw[name] === ''))
      problems.push(`${place}: "${name}" must be text`);
  for (const hint of HINTS)
    if (raw[hint] !== undefined && typeof raw[hint] !== 'boolean')
      problems.push(`${place}: "${hint}" must be true or false`);
  return raw;
}

function checkKeys(
  raw: Readonly<Record<string, unknown>>,
  known: readonly string[],
  place: string,
  problems: string[],
): void {
  for (const key of Object.keys(raw))
    if (!known.includes(key)) problems.push(`${place}"${key}" is not known${meant(key, known)}`);
}

function meant(word: string, known: readonly string[]): string {
  const [like] = nearest(word, known, 1);
  return like ? ` (did you mean "${like}"?)` : `; known are ${known.map((one) => `"${one}"`).join(', ')}`;
}

const given = (policy: Policy): Policy =>
  Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined));
