import type { Caller, OperationContext } from '../core/caller.js';
import type { ClientLink } from '../core/client-link.js';
import { RuntimeError } from '../core/errors.js';
import type { RuntimeEvent } from '../core/events.js';
import { Alarm } from '../lib/alarm.js';
import { Crowd } from '../lib/crowd.js';
import type { OperationName } from '../operations/table.js';
import type { Body } from './assembly.js';
import { late, lost, withdrawn } from './call-errors.js';
import { Channel, type ChannelEnd } from './channel.js';
import { PROTOCOL_VERSION, type ServerFrame, serverFrame, type Welcome } from './frames.js';
import { type ChannelLimits, INLINE_CHARS } from './limits.js';
import type { LinkClient } from './link.js';
import { passOn } from './questions.js';
import { quickServerFrame } from './quick-frames.js';
import { decodeResult } from './result.js';
import { readUsualResult } from './usual-frames.js';
import { factsOf, print, Waiting } from './waiting-call.js';

export interface SessionOptions {
  readonly link: LinkClient;
  /** Of the package. */
  readonly version: string;
  readonly name?: string | undefined;
  readonly pid?: number | undefined;
  readonly limits?: Partial<ChannelLimits> | undefined;
  readonly now: () => number;
  /** Ms for the engine to answer the hello. */
  readonly timeoutMs: number;
  readonly onEvent: (event: RuntimeEvent) => void;
  readonly onEnd: (end: ChannelEnd) => void;
}

/** One connection to one engine, from the welcome to the end. */
export class ClientSession {
  readonly #options: SessionOptions;
  readonly #channel: Channel<ServerFrame>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #crowd = new Crowd();
  /** Its id as JSON, and what was told of it: neither need be made again with every call. */
  readonly #attached = new Map<string, { readonly id: string; told: ClientLink | undefined }>();
  readonly #alarm: Alarm;
  #welcomed: ((outcome: Welcome | ChannelEnd) => void) | undefined;
  #welcome: Welcome | undefined;
  #retired: ((accepted: boolean) => void) | undefined;
  #clockOffset = 0;
  #lastId = 0;

  private constructor(options: SessionOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.now, () => this.#expire());
    this.#channel = new Channel({
      frames: serverFrame,
      usual: readUsualResult,
      quick: quickServerFrame,
      limits: options.limits,
      now: options.now,
      isQuiet: () => this.#crowd.isOne,
      onFrame: (frame, body) => this.#on(frame, body),
      onEnd: (end) => this.#ended(end),
      onClock: (theirs) => this.#synchronise(theirs),
    });
  }

  /** @throws RuntimeError ENGINE_UNAVAILABLE with the reason. */
  static async open(options: SessionOptions): Promise<ClientSession> {
    const session = new ClientSession(options);
    const outcome = new Promise<Welcome | ChannelEnd>((resolve) => {
      session.#welcomed = resolve;
    });
    const connection = await options.link(session.#channel);
    session.#channel.bind(connection);
    const timer = setTimeout(
      () => session.#channel.end('silent', `The engine did not answer within ${options.timeoutMs} ms.`),
      options.timeoutMs,
    );
    const { version, name, pid } = options;
    session.#channel.send({
      type: 'hello',
      protocol: PROTOCOL_VERSION,
      version,
      name,
      pid,
      clock: options.now(),
    });
    const answer = await outcome;
    clearTimeout(timer);
    if ('reason' in answer)
      throw new RuntimeError('ENGINE_UNAVAILABLE', `The engine refused the connection: ${answer.message}`, {
        hint: answer.reason === 'version' ? 'Stop the old engine: mcp-runtime engine stop.' : undefined,
        data: { reason: answer.reason },
      });
    if (answer.protocol !== PROTOCOL_VERSION) {
      session.close();
      throw new RuntimeError(
        'ENGINE_UNAVAILABLE',
        `The engine ${answer.version} speaks protocol ${answer.protocol}, this is ${PROTOCOL_VERSION}.`,
        { data: { reason: 'version' } },
      );
    }
    session.#welcome = answer;
    return session;
  }

  get ended(): boolean {
    return this.#channel.ended;
  }

  get welcome(): Welcome {
    return this.#welcome as Welcome;
  }

  attach(caller: Caller): void {
    this.#attached.set(caller.clientId, { id: JSON.stringify(caller.clientId), told: undefined });
    this.#channel.send({ type: 'attach', caller });
  }

  detach(clientId: string): void {
    for (const waiting of this.#waiting.values())
      if (waiting.context.caller.clientId === clientId)
        this.#withdraw(waiting, new RuntimeError('CANCELLED', 'The client left.'));
    this.#attached.delete(clientId);
    this.#channel.send({ type: 'detach', clientId });
  }

  subscribe(on: boolean): void {
    this.#channel.send({ type: 'subscribe', on });
  }

  /** Asks the engine to make room. @returns whether it does; it then ends by itself. */
  retire(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#retired = resolve;
      this.#channel.send({ type: 'retire' });
    });
  }

  close(): void {
    this.#channel.end('closed', 'The front-end closed the connection.');
  }

  /** One call; `waitMs` from now on the caller is told TIMEOUT, and an engine does not begin it any more. */
  call(op: OperationName, input: unknown, context: OperationContext, waitMs: number): Promise<never> {
    return new Promise((resolve, reject) => {
      const { signal } = context;
      if (signal.aborted) throw withdrawn(signal.reason);
      this.#lastId += 1;
      const id = this.#lastId;
      const text = print(input, context.meta);
      const until = this.#options.now() + waitMs;
      const facts = { id, op, context, waitMs, until, resolve, reject };
      const waiting = new Waiting(facts, this.#withdraw);
      this.#waiting.set(id, waiting);
      this.#crowd.enter(this.#waiting.size);
      this.#alarm.by(until);
      this.#send(waiting, text);
    });
  }

  #send(waiting: Waiting, text: string): void {
    const { id, op, context } = waiting;
    const { clientId } = context.caller;
    const isShort = text.length <= INLINE_CHARS;
    const attached = this.#attached.get(clientId);
    const caller = attached?.id ?? JSON.stringify(context.caller);
    const client = context.client === undefined ? '' : `,"client":${this.#told(context.client, isShort)}`;
    const progress = context.progress === undefined ? '' : ',"progress":true';
    // In whole ms, which are printed and read much faster: it comes early by a part of one.
    const deadline = Math.floor(waiting.until + this.#clockOffset);
    const head = `{"type":"request","id":${id},"op":"${op}","caller":${caller},"deadline":${deadline}${progress}${client}`;
    const gate = () => {
      waiting.sent = this.#waiting.has(id);
      return waiting.sent;
    };
    if (isShort) {
      this.#channel.sendText(`${head},${text}}`, [], gate);
      return;
    }
    const body = Buffer.from(`{${text}}`);
    const { partBytes, maxBodyBytes } = this.#channel.limits;
    if (body.byteLength > maxBodyBytes) {
      const error = new RuntimeError(
        'INVALID_ARGUMENTS',
        `The arguments have ${body.byteLength} bytes; at most ${maxBodyBytes} are taken.`,
      );
      this.#take(id)?.reject(error);
    } else if (body.byteLength <= partBytes) this.#channel.sendText(`${head}}`, [body], gate);
    else this.#channel.sendLong(id, `${head},"size":${body.byteLength}}`, [body], gate);
  }

  /**
   * The facts of a client, or that they are those which were told last. A long request may be passed by news of its
   * client, so it carries them itself.
   */
  #told(client: ClientLink, isShort: boolean): string {
    const { clientId, capabilities, logLevel, workspace, round } = client;
    const attached = this.#attached.get(clientId);
    if (!isShort || round !== undefined || attached === undefined) return factsOf(client);
    const last = attached.told;
    const isSame =
      last?.capabilities === capabilities && last.logLevel === logLevel && last.workspace === workspace;
    if (!isSame) {
      attached.told = client;
      this.#channel.sendText(`{"type":"client","clientId":${attached.id},"client":${factsOf(client)}}`);
    }
    return 'true';
  }

  readonly #withdraw = (waiting: Waiting, error: RuntimeError): void => {
    const { id } = waiting;
    if (this.#waiting.get(id) !== waiting) return;
    this.#take(id)?.reject(error);
    this.#channel.forget(id);
    // What still waits here never leaves; what left is followed by its cancel.
    if (waiting.sent) this.#channel.send({ type: 'cancel', id });
  };

  /** @returns when the next one is due. */
  #expire(): number {
    const now = this.#options.now();
    let next = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting.values()) {
      if (waiting.until > now) next = Math.min(next, waiting.until);
      else this.#withdraw(waiting, late(waiting.op, waiting.waitMs, waiting.sent));
    }
    return next;
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    waiting.release();
    return waiting;
  }

  #on(frame: ServerFrame, body: Body | undefined): void {
    switch (frame.type) {
      case 'result':
        this.#take(frame.id)?.resolve(decodeResult(frame, body) as never);
        return;
      case 'error':
        this.#take(frame.id)?.reject(RuntimeError.fromJSON(frame.error));
        return;
      case 'progress':
        this.#waiting.get(frame.id)?.context.progress?.(frame.progress);
        return;
      case 'ask':
        passOn(frame, this.#waiting.get(frame.id)?.context.client, (answer) => this.#channel.send(answer));
        return;
      case 'tell':
        this.#waiting.get(frame.id)?.context.client?.tell(frame.method, frame.params);
        return;
      case 'retired':
        this.#retired?.(frame.accepted);
        return;
      case 'event':
        this.#options.onEvent(frame.event);
        return;
      case 'welcome':
        this.#synchronise(frame.clock);
        this.#welcomed?.(frame);
        return;
      default:
    }
  }

  /**
   * What to add to our clock for the engine's. Its reading was taken before this moment, so the sum is never ahead
   * of the engine's clock: a deadline may come early by the time of one message, never late. No clock of the
   * calendar takes part, so that setting it changes nothing, and both ends may be on different machines.
   */
  #synchronise(theirs: number): void {
    this.#clockOffset = theirs - this.#options.now();
  }

  #ended(end: ChannelEnd): void {
    this.#alarm.stop();
    for (const id of [...this.#waiting.keys()]) {
      const waiting = this.#take(id);
      waiting?.reject(lost(end, waiting.sent && !(end.lastId !== undefined && id > end.lastId)));
    }
    this.#welcomed?.(end);
    this.#retired?.(true);
    this.#options.onEnd(end);
  }
}
