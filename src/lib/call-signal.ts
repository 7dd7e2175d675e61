type Listener = Parameters<AbortSignal['addEventListener']>[1];

/**
 * An abort signal that its maker aborts, for what is made with every call: a platform's AbortController with one
 * listener costs seventy times as much, and a call went through five of them (Node 20). Whatever asks by `aborted`,
 * `reason` and `addEventListener` takes it, `fetch` and Node's own functions among them; `AbortSignal.any` alone does
 * not: see `deadline`.
 */
export class CallSignal implements AbortSignal {
  aborted = false;
  reason: unknown;
  onabort: AbortSignal['onabort'] = null;
  #first: Listener | undefined;
  #others: Listener[] | undefined;

  constructor() {
    // `AbortSignal.any` would write into it and never hear of it: let it throw.
    Object.preventExtensions(this);
  }

  /** The first reason counts. Default: the platform's AbortError. */
  abort(reason: unknown = new DOMException('This operation was aborted', 'AbortError')): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = [this.onabort, this.#first, ...(this.#others ?? [])];
    this.#first = undefined;
    this.#others = undefined;
    const event = new Event('abort');
    for (const listener of listeners) {
      try {
        if (typeof listener === 'function') listener.call(this, event);
        else listener?.handleEvent(event);
      } catch (error) {
        // As with events: the fault of one listener is not that of the others, and is not lost.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Follows another signal. @returns how to stop following. */
  follow(other: AbortSignal): () => void {
    if (other.aborted) {
      this.abort(other.reason);
      return () => {};
    }
    const onAbort = () => this.abort(other.reason);
    other.addEventListener('abort', onAbort, { once: true });
    return () => other.removeEventListener('abort', onAbort);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** It aborts once, so every listener is called once. */
  addEventListener(type: string, listener: Listener): void {
    if (type !== 'abort' || this.aborted || listener === this.#first) return;
    if (this.#first === undefined) this.#first = listener;
    else if (this.#others === undefined) this.#others = [listener];
    else if (!this.#others.includes(listener)) this.#others.push(listener);
  }

  removeEventListener(type: string, listener: Listener): void {
    if (type !== 'abort') return;
    if (listener === this.#first) this.#first = this.#others?.shift();
    else if (this.#others?.includes(listener)) this.#others.splice(this.#others.indexOf(listener), 1);
  }

  /** Nobody but its maker aborts it. */
  dispatchEvent(): boolean {
    return true;
  }
}
