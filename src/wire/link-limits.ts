export interface LinkLimits {
  /** Longest part that is accepted, bytes. */
  readonly maxPartBytes: number;
  /** Bytes held for a peer that does not read, beyond which it is given up. */
  readonly maxUnsentBytes: number;
  /** Peers at once; further ones are turned away. */
  readonly maxConnections: number;
}

export const LINK_LIMITS: LinkLimits = {
  maxPartBytes: 4 * 1024 * 1024,
  maxUnsentBytes: 64 * 1024 * 1024,
  maxConnections: 1_024,
};

/** Parts of one message; more is garbage. */
export const MAX_PARTS = 4;
