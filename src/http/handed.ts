import type { Access } from './access/access.js';
import type { Body } from './body.js';
import type { ShortCall } from './short-call.js';

/** What the short way found out of a request before it left it to the long one: it is not done again. */
export interface Handed {
  /** How authentication ended. */
  readonly verdict: Access | Response;
  /** Undefined: not read yet. */
  readonly body?: Body | undefined;
  /** The call of this request runs already, and wants its stream. */
  readonly running?: ShortCall | undefined;
}
