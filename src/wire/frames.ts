import { z } from 'zod';
import type { RuntimeErrorJson } from '../core/errors.js';
import type { RuntimeEvent } from '../core/events.js';

/** Raised when an old peer would misread a new one; peers of different versions refuse one another by name. */
export const PROTOCOL_VERSION = 2;

const id = z.int().positive();
const bytes = z.int().nonnegative();
/** Milliseconds of the sender's monotonic clock; its zero means nothing. */
const clock = z.number().nonnegative();

/** Strict: what this end does not know of a restriction must not get lost, or more would be allowed. */
const ruleSchema = z.strictObject({
  server: z.string().optional(),
  tool: z.string().optional(),
  client: z.string().optional(),
  readOnly: z.boolean().optional(),
  destructive: z.boolean().optional(),
});

const restrictionSchema = z.strictObject({
  allow: z.array(ruleSchema).max(1_000).optional(),
  deny: z.array(ruleSchema).max(1_000).optional(),
});

const callerSchema = z.object({
  principal: z.string().min(1).max(256),
  clientId: z.string().min(1).max(256),
  clientName: z.string().max(256).optional(),
  restriction: restrictionSchema.optional(),
});

const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
  retryable: z.boolean(),
}) as unknown as z.ZodType<RuntimeErrorJson>;

/**
 * The head of every message: JSON in the first part. A second part, where there is one, is the body as raw bytes.
 * What both ends say:
 */
const shared = [
  /** More of the body that a `request` or `result` with `size` began; bodies of different ids may alternate. */
  z.object({ type: z.literal('part'), id }),
  /** The rest of that body will not come. */
  z.object({ type: z.literal('drop'), id }),
  /** Everything counted so far that was taken: what was sent and not acknowledged is limited by the window. */
  z.object({ type: z.literal('ack'), messages: bytes, bytes }),
  z.object({ type: z.literal('ping'), clock }),
  z.object({ type: z.literal('pong'), clock, echo: clock }),
  /** The last frame. `lastId`: requests with a greater id were not executed. */
  z.object({
    type: z.literal('goodbye'),
    reason: z.enum(['closed', 'draining', 'idle', 'protocol', 'version', 'slow', 'silent', 'full']),
    message: z.string().max(2_000),
    lastId: bytes.optional(),
  }),
] as const;

const helloSchema = z.object({
  type: z.literal('hello'),
  protocol: z.int(),
  version: z.string().max(64),
  name: z.string().max(256).optional(),
  pid: z.int().optional(),
  clock,
});

const clientFacts = z.object({
  capabilities: z.record(z.string(), z.unknown()),
  logLevel: z.string().max(64).optional(),
  workspace: z.string().max(4_096).optional(),
  round: z
    .object({ inputResponses: z.unknown().optional(), requestState: z.unknown().optional() })
    .optional(),
});

const requestSchema = z.object({
  type: z.literal('request'),
  id,
  op: z.string().max(128),
  /** The id of an attached caller, or a caller that is there for this call alone. */
  caller: z.union([z.string().max(256), callerSchema]),
  /** In the clock of the engine. After it the request is not begun. */
  deadline: z.number(),
  progress: z.boolean().optional(),
  /** The client of the call, where it can be asked and told things while it waits. `true`: as `client` told last. */
  client: z.union([z.literal(true), clientFacts]).optional(),
  /** Small: here. Large: `{input, meta}` is the body. */
  input: z.unknown().optional(),
  meta: z.record(z.string(), z.unknown()).optional(),
  /** Length of the whole body where it comes in several parts. */
  size: bytes.optional(),
});

/** What a front-end says. */
export const clientFrame = z.discriminatedUnion('type', [
  helloSchema,
  requestSchema,
  z.object({ type: z.literal('attach'), caller: callerSchema }),
  /** What its calls have in common, from the next request on. */
  z.object({ type: z.literal('client'), clientId: z.string().max(256), client: clientFacts }),
  z.object({ type: z.literal('detach'), clientId: z.string().max(256) }),
  z.object({ type: z.literal('subscribe'), on: z.boolean() }),
  z.object({ type: z.literal('cancel'), id }),
  /** What the client answered to `ask`: a result, or an error for the server. */
  z.object({
    type: z.literal('answer'),
    id,
    ask: id,
    result: z.unknown().optional(),
    error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }).optional(),
  }),
  /** A newer front-end asks an engine that nobody else needs to make room. */
  z.object({ type: z.literal('retire') }),
  ...shared,
]);

const welcomeSchema = z.object({
  type: z.literal('welcome'),
  protocol: z.int(),
  version: z.string().max(64),
  pid: z.int(),
  clock,
  echo: clock,
  /** Whether anything but this greeting would be lost if the engine were replaced now. */
  busy: z.boolean(),
  draining: z.boolean(),
});

/** What an engine says. */
export const serverFrame = z.discriminatedUnion('type', [
  welcomeSchema,
  z.object({
    type: z.literal('result'),
    id,
    /** The answer without its payloads; absent: the body is the answer as JSON. */
    output: z.record(z.string(), z.unknown()).optional(),
    /** The fields of the answer that stand in the body, in order. */
    payloads: z
      .array(z.object({ key: z.string(), bytes }))
      .max(16)
      .optional(),
    size: bytes.optional(),
  }),
  z.object({ type: z.literal('error'), id, error: errorSchema }),
  z.object({
    type: z.literal('progress'),
    id,
    progress: z.object({
      progress: z.number(),
      total: z.number().optional(),
      message: z.string().optional(),
    }),
  }),
  /** A server asks the client of the call. */
  z.object({
    type: z.literal('ask'),
    id,
    ask: id,
    method: z.string().max(256),
    params: z.unknown().optional(),
  }),
  /** A server tells the client of the call. */
  z.object({
    type: z.literal('tell'),
    id,
    method: z.string().max(256),
    params: z.record(z.string(), z.unknown()),
  }),
  z.object({ type: z.literal('retired'), accepted: z.boolean() }),
  z.object({ type: z.literal('event'), event: z.custom<RuntimeEvent>(isEvent) }),
  ...shared,
]);

/** An engine that is newer may tell of things this end does not know: they pass, listeners look at `type`. */
function isEvent(given: unknown): boolean {
  return typeof given === 'object' && given !== null && 'type' in given && typeof given.type === 'string';
}

export type ClientFrame = z.output<typeof clientFrame>;
export type ServerFrame = z.output<typeof serverFrame>;
export type Welcome = z.output<typeof welcomeSchema>;
export type GoodbyeReason = Extract<ServerFrame, { type: 'goodbye' }>['reason'];
export type ClientFacts = z.output<typeof clientFacts>;
