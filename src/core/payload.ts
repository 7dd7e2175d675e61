/**
 * A JSON value that is parsed only when someone looks into it. A tool's result travels from the upstream to the
 * client as one of these, so that a result that is merely passed on is never parsed and printed again
 * (measured: for 10 MiB the JSON costs more than every hop together).
 */
export class Payload<T = unknown> {
  /** One piece or several; more than one are joined when someone wants them as one. */
  #pieces: readonly Uint8Array[] | undefined;
  #value: T | undefined;
  #parsed: boolean;

  private constructor(pieces: readonly Uint8Array[] | undefined, value: T | undefined, parsed: boolean) {
    this.#pieces = pieces;
    this.#value = value;
    this.#parsed = parsed;
  }

  /** @param bytes UTF-8 JSON; not copied, so the caller gives it away. */
  static fromBytes<T = unknown>(bytes: Uint8Array): Payload<T> {
    return new Payload<T>([bytes], undefined, false);
  }

  /** @param pieces UTF-8 JSON one after the other, as it came in; given away as well. */
  static fromPieces<T = unknown>(pieces: readonly Uint8Array[]): Payload<T> {
    return new Payload<T>(pieces, undefined, false);
  }

  static fromValue<T>(value: T): Payload<T> {
    return new Payload<T>(undefined, value, true);
  }

  /** The parsed value. Throws SyntaxError when the bytes are no JSON. */
  get value(): T {
    if (!this.#parsed) {
      this.#value = JSON.parse(
        Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength).toString('utf8'),
      ) as T;
      this.#parsed = true;
    }
    return this.#value as T;
  }

  /** The value as UTF-8 JSON. */
  get bytes(): Uint8Array {
    const { pieces } = this;
    const [only] = pieces;
    if (pieces.length === 1 && only !== undefined) return only;
    const joined = Buffer.concat(pieces);
    this.#pieces = [joined];
    return joined;
  }

  /** The same without joining it: for who only passes it on. */
  get pieces(): readonly Uint8Array[] {
    this.#pieces ??= [Buffer.from(JSON.stringify(this.#value ?? null), 'utf8')];
    return this.#pieces;
  }

  /** Size of the JSON in bytes. */
  get byteLength(): number {
    let bytes = 0;
    for (const piece of this.pieces) bytes += piece.byteLength;
    return bytes;
  }

  toJSON(): T {
    return this.value;
  }
}
