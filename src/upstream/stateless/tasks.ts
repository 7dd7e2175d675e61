import type { ClientLink } from '../../core/client-link.js';
import { RuntimeError } from '../../core/errors.js';
import { Payload } from '../../core/payload.js';
import type { RequestOptions } from '../../core/upstream.js';
import { sleep, untilAborted } from '../../lib/abort.js';
import { protocolBroken, upstreamError } from '../errors.js';
import { recordOf } from '../handshake.js';
import { scanMessage } from '../json-scan.js';
import { cancelled } from '../pending.js';
import { answersOf, MAX_ROUNDS } from './rounds.js';

const CALL = 'tools/call';
const MARK = Buffer.from('"task"');
/** What says of a task that it was made is small; longer results are not looked into. */
const MAX_CREATED_BYTES = 64 * 1_024;
const DEFAULT_POLL_MS = 1_000;
const MIN_POLL_MS = 100;
const MAX_POLL_MS = 60_000;
const CANCEL_MS = 5_000;
/** The client's answers may take so long in all. */
const MAX_PAUSED_MS = 3_600_000;
const INTERNAL_ERROR = -32603;

type Fields = Readonly<Record<string, unknown>>;

export interface TaskOptions {
  readonly server: string;
  readonly method: string;
  readonly client: ClientLink | undefined;
  readonly answerMs?: number | undefined;
  /** Of the call: they cover the task too. */
  readonly request: RequestOptions;
  /** When the call began, ms of performance.now(). */
  readonly begun: number;
  readonly isOpen: () => boolean;
  send(method: string, params: Fields, options: RequestOptions): Promise<Payload>;
}

/**
 * The result of a call, also where the server makes a task of it: that is watched until it has ended, and what it needs
 * from the client is asked for. The time of the call covers all of it and stands still while the client is asked; when
 * it is over, or the caller leaves, the server is told to cancel the task.
 * @throws RuntimeError UPSTREAM_ERROR for a task that failed or that the server cancelled.
 */
export async function untilTaskEnds(answer: Payload, options: TaskOptions): Promise<Payload> {
  const created = createdTask(answer, options);
  if (created === undefined) return answer;
  const { server, request, isOpen, send } = options;
  const taskId = created['taskId'];
  if (typeof taskId !== 'string') throw protocolBroken(server, options.method, 'its task has no id');
  if (options.method !== CALL)
    throw protocolBroken(server, options.method, 'only calls of tools can be tasks');
  const ended = await new Watch(taskId, options).untilEnded(created).catch((error: unknown) => {
    if (isOpen()) {
      const signal = AbortSignal.timeout(CANCEL_MS);
      send('tasks/cancel', { taskId }, { signal, timeoutMs: CANCEL_MS }).catch(() => {
        // It has ended meanwhile, or its server cannot be reached.
      });
    }
    if (request.signal.aborted) throw cancelled(server, CALL, request.signal.reason);
    throw error;
  });
  return resultOf(ended, options);
}

/** What the server said of a task that it made instead of answering; undefined for every other result. */
function createdTask(answer: Payload, { method }: TaskOptions): Fields | undefined {
  if (method.startsWith('tasks/') || answer.byteLength > MAX_CREATED_BYTES) return undefined;
  const { bytes } = answer;
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(MARK)) return undefined;
  const value = recordOf(answer.value);
  return value['resultType'] === 'task' ? value : undefined;
}

/** One task that is looked at again and again. */
class Watch {
  readonly #taskId: string;
  readonly #options: TaskOptions;
  /** Keys of what was asked: each stands for one question as long as the task lives. */
  readonly #seen = new Set<string>();
  #rounds = 0;
  #pausedMs = 0;
  #said: unknown;
  #steps = 0;

  constructor(taskId: string, options: TaskOptions) {
    this.#taskId = taskId;
    this.#options = options;
  }

  async untilEnded(created: Fields): Promise<Payload> {
    const { request } = this.#options;
    // What is said of a new task lacks its result and its questions, whatever its status.
    if (created['status'] === 'working') await this.#wait(created);
    for (;;) {
      const answer = await this.#send('tasks/get', {});
      const task = recordOf(answer.value);
      if (task['status'] === 'input_required') await this.#answer(recordOf(task['inputRequests']));
      else if (task['status'] !== 'working') return answer;
      const { statusMessage } = task;
      if (typeof statusMessage === 'string' && statusMessage !== this.#said) {
        this.#said = statusMessage;
        this.#steps += 1;
        request.onProgress?.({ progress: this.#steps, message: statusMessage });
      }
      await this.#wait(task);
    }
  }

  async #answer(wanted: Fields): Promise<void> {
    const { server, request, client, answerMs } = this.#options;
    const fresh = Object.fromEntries(Object.entries(wanted).filter(([key]) => !this.#seen.has(key)));
    if (Object.keys(fresh).length === 0) return;
    this.#rounds += 1;
    if (this.#rounds > MAX_ROUNDS)
      throw protocolBroken(server, CALL, `it asked the client more than ${MAX_ROUNDS} times`);
    for (const key of Object.keys(fresh)) this.#seen.add(key);
    const asked = performance.now();
    const inputResponses = await untilAborted(
      answersOf(fresh, { server, method: CALL, client, answerMs }),
      request.signal,
    );
    this.#pausedMs = Math.min(MAX_PAUSED_MS, this.#pausedMs + performance.now() - asked);
    await this.#send('tasks/update', { inputResponses });
  }

  #send(method: string, params: Fields): Promise<Payload> {
    const { client, request, send } = this.#options;
    const options = { signal: request.signal, timeoutMs: this.#left(), client };
    return send(method, { taskId: this.#taskId, ...params }, options);
  }

  async #wait(task: Fields): Promise<void> {
    const wanted = task['pollIntervalMs'];
    const interval = typeof wanted === 'number' && Number.isFinite(wanted) ? wanted : DEFAULT_POLL_MS;
    const wait = Math.min(MAX_POLL_MS, Math.max(MIN_POLL_MS, interval));
    await sleep(Math.min(wait, this.#left()), { signal: this.#options.request.signal });
  }

  /** Ms of the call's time, at least one. @throws RuntimeError TIMEOUT when there is none. */
  #left(): number {
    const { begun, server, request } = this.#options;
    const allowed = request.maxTimeoutMs ?? request.timeoutMs;
    const left = Math.ceil(begun + allowed + this.#pausedMs - performance.now());
    if (left > 0) return left;
    throw new RuntimeError(
      'TIMEOUT',
      `The task that the server "${server}" made of the call did not end within ${allowed} ms. It may have been executed.`,
      { hint: 'Check what the call did before repeating it, or allow it more time.', data: { server } },
    );
  }
}

/** What the call came to. */
function resultOf(ended: Payload, { server }: TaskOptions): Payload {
  const { status, result, error, statusMessage } = recordOf(ended.value);
  if (status === 'completed') {
    const { buffer, byteOffset, byteLength } = ended.bytes;
    const span = scanMessage(Buffer.from(buffer, byteOffset, byteLength)).members.result;
    if (span === undefined || recordOf(result) !== result)
      throw protocolBroken(server, 'tasks/get', 'its completed task has no result');
    // As it came, numbers that JavaScript cannot hold too.
    return Payload.fromBytes(ended.bytes.subarray(span.start, span.end));
  }
  if (status !== 'failed' && status !== 'cancelled')
    throw protocolBroken(
      server,
      'tasks/get',
      `its task has the status ${JSON.stringify(status)?.slice(0, 40)}`,
    );
  const { code, message, ...more } = recordOf(error);
  const said = [message, statusMessage].find((text) => typeof text === 'string');
  throw upstreamError(server, CALL, {
    code: typeof code === 'number' ? code : INTERNAL_ERROR,
    message: typeof said === 'string' ? said : `The task ${status === 'failed' ? 'failed' : 'was cancelled'}`,
    ...('data' in more ? { data: more['data'] } : {}),
  });
}
