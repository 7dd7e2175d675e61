import { RuntimeError } from '../core/errors.js';
import type { ChannelLimits } from './limits.js';

/** A body as it came: pieces one after the other. */
export type Body = readonly Uint8Array[];

interface Whole<Frame> {
  readonly frame: Frame;
  readonly body: Body | undefined;
}

interface Unfinished<Frame> {
  readonly frame: Frame;
  readonly size: number;
  readonly pieces: Uint8Array[];
  filled: number;
}

const refuse = (why: string) => new RuntimeError('UPSTREAM_PROTOCOL', why);

/**
 * Puts bodies together that come in parts, without copying them: who passes a body on writes the parts as they are. What
 * it holds is bounded; what does not fit together is refused.
 */
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
    if (frame.size === undefined) return { frame, body: part && [part] };
    const id = frame.id as number;
    const { size } = frame;
    if (this.#unfinished.has(id)) throw refuse(`The id ${id} is in use.`);
    if (size > this.#limits.maxBodyBytes || this.#bytes + size > this.#limits.maxAssemblingBytes)
      throw refuse(`A body of ${size} bytes is more than is accepted.`);
    this.#unfinished.set(id, { frame, size, pieces: [], filled: 0 });
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
    const bytes = part?.byteLength ?? 0;
    if (one.filled + bytes > one.size) throw refuse(`The body of ${id} is longer than announced.`);
    if (part !== undefined && bytes > 0) one.pieces.push(own(part));
    one.filled += bytes;
    if (one.filled < one.size) return undefined;
    this.#drop(id);
    return { frame: one.frame, body: one.pieces };
  }

  #drop(id: number): undefined {
    const one = this.#unfinished.get(id);
    if (one === undefined) return undefined;
    this.#unfinished.delete(id);
    this.#bytes -= one.size;
    return undefined;
  }
}

/** A small view would keep alive what it is a view of, and more than is counted. */
function own(part: Uint8Array): Uint8Array {
  return part.byteLength * 2 >= part.buffer.byteLength ? part : Buffer.from(part);
}
