/** What a channel holds and how long it waits. All per peer. */
export interface ChannelLimits {
  /** Sent and not acknowledged; together with `windowMessages` below the high water mark of ZeroMQ. */
  readonly windowBytes: number;
  readonly windowMessages: number;
  /** Longest piece of a body in one message: small frames pass between two. */
  readonly partBytes: number;
  /** Longest body, whole. */
  readonly maxBodyBytes: number;
  /** All unfinished bodies of one peer. */
  readonly maxAssemblingBytes: number;
  /** Waiting for a peer that takes nothing for `stallMs`: then it is given up. */
  readonly maxStalledBytes: number;
  readonly stallMs: number;
  /** Waiting for a peer, however fast it takes: then it is given up. */
  readonly maxWaitingBytes: number;
  readonly heartbeatMs: number;
  /** Nothing heard for so long: the peer is given up. */
  readonly silenceMs: number;
}

const MIB = 1024 * 1024;

export const CHANNEL_LIMITS: ChannelLimits = {
  windowBytes: 4 * MIB,
  windowMessages: 512,
  partBytes: MIB / 4,
  maxBodyBytes: 256 * MIB,
  maxAssemblingBytes: 512 * MIB,
  maxStalledBytes: 32 * MIB,
  stallMs: 10_000,
  maxWaitingBytes: 1024 * MIB,
  heartbeatMs: 5_000,
  silenceMs: 20_000,
};

/** Below this a request's input stands in the head of its frame, and is parsed with it. */
export const INLINE_CHARS = 64 * 1024;
