import type { JSONRPCResponse } from '@modelcontextprotocol/server';
import { ANSWER_MS, type Params } from './client-way.js';
import { INTERNAL_ERROR, ProtocolError } from './protocol-error.js';

/** Above the ids of the SDK, which counts from 0 on and may come to serve the same client. */
const FIRST_ID = 1_000_000;

interface Question {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: ProtocolError) => void;
}

/** What a client is asked over a session of ours, until it answers. */
export class Questions {
  readonly #send: (message: object) => void;
  readonly #open = new Map<number, Question>();
  #next = FIRST_ID;

  constructor(send: (message: object) => void) {
    this.#send = send;
  }

  /** Rejects with a ProtocolError: the client's own, or why nobody waits for its answer any more. */
  ask(method: string, params: Params | undefined, signal: AbortSignal): Promise<unknown> {
    if (signal.aborted) return Promise.reject(takenBack(signal.reason));
    const id = this.#next;
    this.#next += 1;
    const answered = new Promise<unknown>((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
    });
    const takeBack = (reason: unknown) => {
      const question = this.#open.get(id);
      if (!this.#open.delete(id)) return;
      const params = { requestId: id, reason: String(reason) };
      this.#send({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
      question?.reject(takenBack(reason));
    };
    const onAbort = () => takeBack(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => takeBack('Request timed out'), ANSWER_MS);
    this.#send({ jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) });
    return answered.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  }

  /** @returns whether it was the answer to a question of ours. */
  answer(message: JSONRPCResponse): boolean {
    // Some clients answer 7 with "7"; the SDK takes that too.
    const id = Number(message.id);
    const question = this.#open.get(id);
    if (question === undefined) return false;
    this.#open.delete(id);
    if ('result' in message) question.resolve(message.result);
    else question.reject(errorIn(message.error));
    return true;
  }

  /** The client is gone. */
  close(): void {
    for (const { reject } of this.#open.values())
      reject(new ProtocolError(INTERNAL_ERROR, 'Connection closed'));
    this.#open.clear();
  }
}

const takenBack = (reason: unknown) => new ProtocolError(INTERNAL_ERROR, String(reason));

/** A client may answer with anything. */
function errorIn(error: unknown): ProtocolError {
  const { code, message, data } = (error ?? {}) as { code?: unknown; message?: unknown; data?: unknown };
  return new ProtocolError(
    Number.isSafeInteger(code) ? (code as number) : INTERNAL_ERROR,
    typeof message === 'string' ? message : 'The client answered with an error',
    data,
  );
}
