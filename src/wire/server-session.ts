import type { Caller, OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import { CallSignal } from '../lib/call-signal.js';
import { Crowd } from '../lib/crowd.js';
import { invoke } from '../operations/invoke.js';
import { isOperationName, type OperationName, type RuntimePort } from '../operations/table.js';
import type { Body } from './assembly.js';
import { Callers } from './callers.js';
import { Channel, type ChannelEnd } from './channel.js';
import { type ClientFacts, type ClientFrame, clientFrame, PROTOCOL_VERSION } from './frames.js';
import type { ChannelLimits } from './limits.js';
import type { LinkConnection } from './link.js';
import { Questions } from './questions.js';
import { quickClientFrame } from './quick-frames.js';
import { encodeError, encodeResult } from './result.js';
import { readUsualRequest } from './usual-frames.js';

type Request = Extract<ClientFrame, { type: 'request' }>;
type Hello = Extract<ClientFrame, { type: 'hello' }>;

export interface SessionHost {
  readonly port: RuntimePort;
  readonly version: string;
  readonly pid: number;
  readonly now: () => number;
  readonly limits: Partial<ChannelLimits> | undefined;
  /** Calls of one front-end at once. */
  readonly maxCalls: number;
  readonly draining: boolean;
  busy(session: ServerSession): boolean;
  /** @returns whether the engine makes room for a newer one. */
  retire(): boolean;
  ended(session: ServerSession, end: ChannelEnd): void;
  /** A call was answered. */
  settled(): void;
}

interface Call {
  readonly signal: CallSignal;
  readonly deadline: number;
  /** Withdrawn by the front-end, which waits for no answer any more. */
  withdrawn: boolean;
}

const HELLO_MS = 5_000;
const SWEEP_MS = 250;

/** What one front-end has at the engine: callers, calls, a subscription. All of it ends with the connection. */
export class ServerSession {
  readonly channel: Channel<ClientFrame>;
  readonly #host: SessionHost;
  readonly #calls = new Map<number, Call>();
  readonly #crowd = new Crowd();
  readonly #questions = new Questions();
  readonly #callers: Callers;
  readonly #sweep: NodeJS.Timeout;
  readonly #helloTimer: NodeJS.Timeout;
  #hello: Hello | undefined;
  readonly #since = Date.now();
  #lastId = 0;
  #unsubscribe: (() => void) | undefined;

  constructor(host: SessionHost, connection: LinkConnection) {
    this.#host = host;
    this.#callers = new Callers(host.port, host.maxCalls);
    this.channel = new Channel({
      frames: clientFrame,
      usual: readUsualRequest,
      quick: quickClientFrame,
      limits: host.limits,
      now: host.now,
      isQuiet: () => this.#crowd.isOne,
      onFrame: (frame, body) => this.#on(frame, body),
      onEnd: (end) => this.#ended(end),
    }).bind(connection);
    this.#helloTimer = setTimeout(() => this.channel.end('protocol', 'No hello came.'), HELLO_MS);
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
    for (const timer of [this.#helloTimer, this.#sweep]) timer.unref();
  }

  get calls(): number {
    return this.#calls.size;
  }

  get greeted(): boolean {
    return this.#hello !== undefined;
  }

  facts() {
    return {
      name: this.#hello?.name,
      pid: this.#hello?.pid,
      version: this.#hello?.version,
      /** Ms since the epoch. */
      since: this.#since,
      inFlight: this.#calls.size,
      callers: this.#callers.list(),
    };
  }

  end(reason: 'closed' | 'draining' | 'idle', message: string): void {
    this.channel.end(reason, message, this.#lastId);
  }

  #on(frame: ClientFrame, body: Body | undefined): void {
    if (this.#hello === undefined && frame.type !== 'hello')
      throw new RuntimeError('UPSTREAM_PROTOCOL', `A ${frame.type} came before the hello.`);
    switch (frame.type) {
      case 'hello':
        this.#greet(frame);
        return;
      case 'request':
        this.#request(frame, body);
        return;
      case 'cancel':
        this.#cancel(frame.id);
        return;
      case 'answer':
        this.#questions.answer(frame);
        return;
      case 'attach':
        this.#callers.attach(frame.caller);
        return;
      case 'client':
        this.#callers.tell(frame.clientId, frame.client);
        return;
      case 'detach':
        this.#callers.detach(frame.clientId);
        return;
      case 'retire':
        this.channel.send({
          type: 'retired',
          accepted: this.#calls.size === 0 && !this.#host.busy(this) && this.#host.retire(),
        });
        return;
      case 'subscribe':
        this.#unsubscribe?.();
        this.#unsubscribe = frame.on
          ? this.#host.port.subscribe((event) => this.channel.send({ type: 'event', event }))
          : undefined;
        return;
      default:
    }
  }

  #greet(hello: Hello): void {
    if (this.#hello !== undefined) throw new RuntimeError('UPSTREAM_PROTOCOL', 'A second hello came.');
    clearTimeout(this.#helloTimer);
    const { version, pid, now } = this.#host;
    if (hello.protocol !== PROTOCOL_VERSION) {
      const message = `The engine ${version} speaks protocol ${PROTOCOL_VERSION}, mcp-runtime ${hello.version} speaks ${hello.protocol}.`;
      this.channel.end('version', message);
      return;
    }
    this.#hello = hello;
    this.channel.send({
      type: 'welcome',
      protocol: PROTOCOL_VERSION,
      version,
      pid,
      clock: now(),
      echo: hello.clock,
      busy: this.#host.busy(this),
      draining: this.#host.draining,
    });
  }

  #cancel(id: number): void {
    const call = this.#calls.get(id);
    this.channel.forget(id);
    if (call === undefined) return;
    call.withdrawn = true;
    call.signal.abort(new RuntimeError('CANCELLED', 'The caller withdrew the request.'));
  }

  #request(frame: Request, body: Body | undefined): void {
    const { id, op } = frame;
    // Long bodies are passed by short ones, so ids do not come in order; but none comes twice at once.
    if (this.#calls.has(id)) throw new RuntimeError('UPSTREAM_PROTOCOL', `The id ${id} is in use.`);
    const attached = typeof frame.caller === 'string' ? this.#callers.find(frame.caller) : undefined;
    const caller = typeof frame.caller === 'string' ? attached?.caller : frame.caller;
    const client = frame.client === true ? attached?.client : frame.client;
    const problem = this.#refusal(frame, caller);
    if (problem !== undefined || caller === undefined || !isOperationName(op)) {
      this.channel.send({ type: 'error', id, error: problem?.toJSON() });
      return;
    }
    const { input, meta } =
      body === undefined ? frame : (JSON.parse(Buffer.concat(body).toString()) as Request);
    this.#lastId = Math.max(this.#lastId, id);
    const call: Call = { signal: new CallSignal(), deadline: frame.deadline, withdrawn: false };
    this.#calls.set(id, call);
    this.#crowd.enter(this.#calls.size);
    const context = this.#context(call, caller, frame, client, meta);
    this.#run(id, call, op, input, context);
  }

  /** Why a request is not begun. Whoever is told so can rely on it. */
  #refusal({ op, deadline }: Request, caller: Caller | undefined): RuntimeError | undefined {
    const { draining, now, version, maxCalls } = this.#host;
    if (draining)
      return new RuntimeError('ENGINE_DRAINING', 'The engine is stopping; the request was not executed.');
    if (deadline <= now())
      return new RuntimeError('TIMEOUT', 'The request came too late and was not executed.', {
        data: { executed: false },
      });
    if (!isOperationName(op))
      return new RuntimeError('UNSUPPORTED', `The engine ${version} has no operation ${op.slice(0, 64)}.`);
    if (this.#calls.size >= maxCalls)
      return new RuntimeError('QUEUE_FULL', `${this.#calls.size} calls of this front-end wait already.`);
    if (caller === undefined)
      return new RuntimeError('FORBIDDEN', 'The caller of the request is not attached.');
    return undefined;
  }

  #context(
    call: Call,
    caller: Caller,
    { id, progress }: Request,
    client: ClientFacts | undefined,
    meta: Request['meta'],
  ): OperationContext {
    const waits = () => this.#calls.get(id) === call && !call.withdrawn;
    return {
      caller,
      signal: call.signal,
      meta,
      client:
        client &&
        this.#questions.link(id, caller.clientId, client, (frame) => {
          if (waits()) this.channel.send(frame);
        }),
      progress: progress
        ? (progress) => {
            // Progress is news: a front-end that is behind gets the newest later, not all of it.
            if (waits() && !this.channel.congested) this.channel.send({ type: 'progress', id, progress });
          }
        : undefined,
    };
  }

  #run(id: number, call: Call, op: OperationName, input: unknown, context: OperationContext): void {
    const failed = (error: unknown) => {
      this.#settle(id, call);
      if (!call.withdrawn) this.#fail(id, error);
      this.#host.settled();
    };
    invoke(this.#host.port, op, input, context).then((output) => {
      this.#settle(id, call);
      try {
        if (!call.withdrawn) this.#answer(id, output);
      } catch (error) {
        return failed(error);
      }
      this.#host.settled();
    }, failed);
  }

  #settle(id: number, call: Call): void {
    if (this.#calls.get(id) === call) this.#calls.delete(id);
    this.#questions.drop(id);
  }

  #answer(id: number, output: object): void {
    const { head, body, bytes } = encodeResult(id, output);
    if (bytes > this.channel.limits.maxBodyBytes)
      throw new RuntimeError(
        'RESULT_TOO_LARGE',
        `The result has ${bytes} bytes; the wire takes ${this.channel.limits.maxBodyBytes}.`,
      );
    if (bytes <= this.channel.limits.partBytes && body.length < 2) this.channel.sendText(`${head}}`, body);
    else this.channel.sendLong(id, `${head},"size":${bytes}}`, body);
  }

  #fail(id: number, error: unknown): void {
    this.channel.sendText(encodeError(id, error, this.channel.limits.partBytes));
  }

  /** The last resort: an engine ends its calls itself, long before. */
  #expire(): void {
    const now = this.#host.now();
    for (const call of this.#calls.values())
      if (call.deadline <= now)
        call.signal.abort(new RuntimeError('TIMEOUT', 'The caller no longer waits for the request.'));
  }

  #ended(end: ChannelEnd): void {
    clearTimeout(this.#helloTimer);
    clearInterval(this.#sweep);
    this.#unsubscribe?.();
    for (const call of this.#calls.values()) {
      call.withdrawn = true;
      call.signal.abort(new RuntimeError('CANCELLED', `The front-end is gone: ${end.message}`));
    }
    this.#callers.clear();
    this.#host.ended(this, end);
  }
}
