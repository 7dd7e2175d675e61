import type { KnownServer, ListedTool, ServerIdentity, ServerProblem } from '../core/server.js';
import type { ServerDescription } from './describe.js';
import type { Withheld } from './pins/approvals.js';

/** One known server: its definition and what was learnt of it. */
export interface CatalogEntry {
  readonly definition: KnownServer;
  readonly identity: ServerIdentity | undefined;
  readonly description: ServerDescription;
  /** Those that may be used, as they may stand before a model: approved, not blocked; in the server's order. */
  readonly tools: readonly ListedTool[];
  /** As they came, also what may not be used. */
  readonly listed: readonly ListedTool[];
  /** Tools that are neither found nor called until a person approves them, and why. */
  readonly withheld: ReadonlyMap<string, Withheld>;
  /** Ms since the epoch; undefined while nothing was learnt yet. */
  readonly learntAt: number | undefined;
  /** Why the tools may be out of date. */
  readonly stale: string | undefined;
  /** Why it could not be learnt. */
  readonly problem: ServerProblem | undefined;
  readonly toolProblems: readonly string[];
}

/** Its tools are those of this definition, and nothing went wrong since. */
export const isGood = ({ learntAt, stale, problem }: CatalogEntry): boolean =>
  learntAt !== undefined && stale === undefined && problem === undefined;

/** Whether the same tools are withheld, for the same reasons. */
export const sameReasons = (one: CatalogEntry['withheld'], other: CatalogEntry['withheld']): boolean =>
  one.size === other.size && [...one].every(([tool, why]) => other.get(tool) === why);
