import type { Asker } from '../core/caller.js';
import type { Confirm, Policy, PolicyRule } from '../core/policy.js';
import type { ToolAnnotations } from '../core/server.js';
import { glob } from '../lib/glob.js';

/** `hidden`: as if it were not there. `confirm`: only after a person said yes to this very call. */
export type Verdict = 'allow' | 'confirm' | 'hidden';

/** How much of a server may be used: all of it, some of its tools, or nothing. */
export type Reach = 'whole' | 'tools' | 'hidden';

/** The decisions for one asker. Pure: the same question has the same answer. */
export interface Judge {
  server(name: string, own: Policy | undefined): Reach;
  /** @param annotations of the tool as its server lists it; undefined while that is not known. */
  tool(
    name: string,
    own: Policy | undefined,
    tool: string,
    annotations: ToolAnnotations | undefined,
  ): Verdict;
}

interface Test {
  readonly server: (name: string) => boolean;
  readonly tool: (name: string) => boolean;
  readonly readOnly: boolean | undefined;
  readonly destructive: boolean | undefined;
  /** Neither tools nor hints are named. */
  readonly whole: boolean;
}

interface Tests {
  readonly allow: readonly Test[] | undefined;
  readonly deny: readonly Test[];
  readonly confirm: Confirm | undefined;
  readonly asks: readonly Test[];
}

interface Hints {
  readonly readOnly: boolean;
  readonly destructive: boolean;
}

/**
 * Everything must agree: a tool can be used when each list of `allow` names it and no rule of any `deny` fits. More
 * rules never give more, `confirm` of a definition aside.
 * @param policy for all servers; what the asker is restricted to counts besides.
 */
export function judgeFor(asker: Asker, policy: Policy | undefined): Judge {
  const general = [policy, asker.restriction].map((one) => testsOf(one, asker));
  const owns = new WeakMap<Policy, Tests>();
  const ownTests = (own: Policy | undefined): Tests => {
    if (!own) return NONE;
    const known = owns.get(own) ?? testsOf(own, asker);
    owns.set(own, known);
    return known;
  };
  return {
    server: (name) => {
      let reach: Reach = 'whole';
      for (const { allow, deny } of general) {
        if (deny.some((test) => test.whole && test.server(name))) return 'hidden';
        if (!allow) continue;
        const named = allow.filter((test) => test.server(name));
        if (named.length === 0) return 'hidden';
        if (!named.some((test) => test.whole)) reach = 'tools';
      }
      return reach;
    },
    tool: (server, own, tool, annotations) => {
      const hints = hintsOf(annotations);
      const fits = (test: Test) => test.server(server) && isTool(test, tool, hints);
      const all = [...general, ownTests(own)];
      for (const { allow, deny } of all) if (deny.some(fits) || (allow && !allow.some(fits))) return 'hidden';
      const confirm = ownTests(own).confirm ?? general[0]?.confirm ?? 'never';
      if (confirm === 'always' || (confirm === 'destructive' && hints.destructive)) return 'confirm';
      return all.some(({ asks }) => asks.some(fits)) ? 'confirm' : 'allow';
    },
  };
}

const NONE: Tests = { allow: undefined, deny: [], confirm: undefined, asks: [] };

function testsOf(policy: Policy | undefined, asker: Asker): Tests {
  if (!policy) return NONE;
  const forAsker = (rules: readonly PolicyRule[], matcher: Matcher) =>
    rules
      .filter(({ client }) => client === undefined || isClient(matcher(client), asker))
      .map((rule) => testOf(rule, matcher));
  return {
    allow: policy.allow && forAsker(policy.allow, glob),
    deny: forAsker(policy.deny ?? [], anyCase),
    confirm: policy.confirm,
    asks: forAsker(policy.confirmRules ?? [], anyCase),
  };
}

type Matcher = typeof glob;

/** What forbids or asks first minds no case: `delete_*` means `Delete_all` too. What allows is exact. */
function anyCase(pattern: string): (name: string) => boolean {
  const fits = glob(pattern.toLowerCase());
  return (name) => fits(name.toLowerCase());
}

function isClient(fits: (name: string) => boolean, { clientName, principal }: Asker): boolean {
  return fits(principal) || (clientName !== undefined && fits(clientName));
}

function testOf({ server = '*', tool = '*', readOnly, destructive }: PolicyRule, matcher: Matcher): Test {
  const whole = /^\*+$/.test(tool) && readOnly === undefined && destructive === undefined;
  return { server: matcher(server), tool: matcher(tool), readOnly, destructive, whole };
}

function isTool(test: Test, tool: string, hints: Hints): boolean {
  return (
    test.tool(tool) &&
    (test.readOnly === undefined || test.readOnly === hints.readOnly) &&
    (test.destructive === undefined || test.destructive === hints.destructive)
  );
}

/** By the defaults of the specification (2025-11-25, schema: ToolAnnotations): who says nothing may destroy. */
function hintsOf(annotations: ToolAnnotations | undefined): Hints {
  const readOnly = annotations?.readOnlyHint === true;
  return { readOnly, destructive: !readOnly && annotations?.destructiveHint !== false };
}
