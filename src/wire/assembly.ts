import { RuntimeError } from '../core/errors.js';
import type { ChannelLimits } from './limits.js';

interface Whole<Frame> {
  readonly frame: Frame;
  readonly body: Uint8Array | undefined;
}

interface Unfinished<Frame> {
  readonly frame: Frame;
  readonly body: Buffer;
  filled: number;
}

const refuse = (why: string) => new RuntimeError('UPSTREAM_PROTOCOL', why);

/** Puts bodies together that come in parts. What it holds is bounded; what does not fit together is refused. */
export class Assembly<Frame> {
  readonly #limits: ChannelLimits;
  readonly #unfinished = new Map<number, Unfinished<Frame>>();
  #bytes = 0;

  constructor(limits: ChannelLimits) {
    this.#limits = limits;
  }

  /** @returns the frame once its body is whole. */
  add(
    frame: Frame & { readonly type: string; readonly id?: number; readonly size?: number | undefined },
    part: Uint8Array | undefined,
  ): Whole<Frame> | undefined {
    if (frame.type === 'part') return this.#more(frame.id as number, part);
    if (frame.type === 'drop') return this.#drop(frame.id as number);
    if (frame.size === undefined) return { frame, body: part };
    const id = frame.id as number;
    const { size } = frame;
    if (this.#unfinished.has(id)) throw refuse(`The id ${id} is in use.`);
    if (size > this.#limits.maxBodyBytes || this.#bytes + size > this.#limits.maxAssemblingBytes)
      throw refuse(`A body of ${size} bytes is more than is accepted.`);
    this.#unfinished.set(id, { frame, body: Buffer.allocUnsafe(size), filled: 0 });
    this.#bytes += size;
    return this.#more(id, part);
  }

  clear(): void {
    this.#unfinished.clear();
    this.#bytes = 0;
  }

  #more(id: number, part: Uint8Array | undefined): Whole<Frame> | undefined {
    const one = this.#unfinished.get(id);
    if (one === undefined) throw refuse(`A part for ${id} came, which nothing began.`);
    const given = part ?? new Uint8Array(0);
    if (one.filled + given.byteLength > one.body.byteLength)
      throw refuse(`The body of ${id} is longer than announced.`);
    one.body.set(given, one.filled);
    one.filled += given.byteLength;
    if (one.filled < one.body.byteLength) return undefined;
    this.#drop(id);
    return { frame: one.frame, body: one.body };
  }

  #drop(id: number): undefined {
    const one = this.#unfinished.get(id);
    if (one === undefined) return undefined;
    this.#unfinished.delete(id);
    this.#bytes -= one.body.byteLength;
    return undefined;
  }
}
