/**
 * One rule of a policy: what it leaves out fits everything. `server`, `tool` and `client` are globs (`*`, `?`) for the
 * whole name. A rule that names neither tool nor hint speaks of the server as a whole, its resources and prompts too.
 */
export interface PolicyRule {
  readonly server?: string | undefined;
  readonly tool?: string | undefined;
  /** What the client calls itself, or its principal. */
  readonly client?: string | undefined;
  /** The tool's `readOnlyHint`: a word of its server, and no more than that. */
  readonly readOnly?: boolean | undefined;
  /** Whether the tool may destroy something: so by default, unless it says `readOnlyHint` or `destructiveHint: false`. */
  readonly destructive?: boolean | undefined;
}

/** What may be used at most. Without `allow` everything that no rule of `deny` fits. Crosses the wire with a caller. */
export interface Restriction {
  readonly allow?: readonly PolicyRule[] | undefined;
  readonly deny?: readonly PolicyRule[] | undefined;
}

/** Which calls a person is asked about first. */
export type Confirm = 'never' | 'destructive' | 'always';

/** What the user decided, for all servers or in the definition of one. */
export interface Policy extends Restriction {
  /** In a definition it takes the place of the general one. */
  readonly confirm?: Confirm | undefined;
  /** Besides that, these. */
  readonly confirmRules?: readonly PolicyRule[] | undefined;
}
