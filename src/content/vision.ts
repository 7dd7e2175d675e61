import { createHash } from 'node:crypto';
import { type Logger, silentLogger } from '../lib/log.js';
import { oneLine } from '../lib/printable.js';
import { Semaphore } from '../lib/semaphore.js';

/** An OpenAI-compatible endpoint that looks at images. */
export interface VisionOptions {
  /** Up to and with `/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  readonly model: string;
  readonly logger?: Logger | undefined;
  /** Ms for one answer; whoever waits for it waits less. Default 60 s. */
  readonly timeoutMs?: number | undefined;
}

/** What is known of images, by their hash. */
export interface DescriptionStore {
  description(sha256: string, model: string): string | undefined;
  setDescription(sha256: string, model: string, text: string): void;
}

const PROMPT =
  'Describe this image in at most two sentences for someone who cannot see it. Quote any text that is in it, shortened.';
const TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
const MAX_IMAGE_BYTES = 8 * 1024 * 1024;
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_CHARS = 600;
const AT_ONCE = 4;
/** After a failure nothing is asked for so long: an endpoint that is down must not slow every image. */
const PAUSE_MS = 30_000;

/**
 * Descriptions of images in words, asked for once for each image. An answer that comes too late for one result is there
 * for the next. Never throws; what goes wrong is logged.
 */
export class ImageDescriber {
  readonly #options: VisionOptions;
  readonly #logger: Logger;
  readonly #store: DescriptionStore;
  readonly #asking = new Map<string, Promise<string | undefined>>();
  readonly #slots = new Semaphore(AT_ONCE);
  readonly #closing = new AbortController();
  #pausedUntil = 0;

  constructor(store: DescriptionStore, options: VisionOptions) {
    this.#store = store;
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
  }

  /** What is known already. */
  known(sha256: string): string | undefined {
    try {
      return this.#store.description(sha256, this.#options.model);
    } catch (error) {
      this.#logger.warn({ error: String(error) }, 'descriptions of images cannot be read');
      return undefined;
    }
  }

  /** Undefined when there is none after `withinMs`; the question goes on. */
  async describe(image: Buffer, mimeType: string, withinMs: number): Promise<string | undefined> {
    if (!TYPES.has(mimeType) || image.length > MAX_IMAGE_BYTES || this.#closing.signal.aborted)
      return undefined;
    const sha256 = createHash('sha256').update(image).digest('hex');
    const known = this.known(sha256);
    if (known !== undefined || withinMs <= 0) return known;
    let asking = this.#asking.get(sha256);
    if (!asking) {
      asking = this.#ask(sha256, image, mimeType).finally(() => this.#asking.delete(sha256));
      this.#asking.set(sha256, asking);
    }
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), withinMs);
    });
    return Promise.race([asking, over]).finally(() => clearTimeout(timer));
  }

  /** What is still being asked is given up. */
  close(): void {
    this.#closing.abort();
  }

  async #ask(sha256: string, image: Buffer, mimeType: string): Promise<string | undefined> {
    const { model, timeoutMs = 60_000 } = this.#options;
    try {
      using _slot = await this.#slots.acquire(this.#closing.signal);
      if (Date.now() < this.#pausedUntil) return undefined;
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
      const text = await this.#request(`data:${mimeType};base64,${image.toString('base64')}`, signal);
      if (!this.#closing.signal.aborted) this.#store.setDescription(sha256, model, text);
      return text;
    } catch (error) {
      if (this.#closing.signal.aborted) return undefined;
      this.#pausedUntil = Date.now() + PAUSE_MS;
      this.#logger.warn({ error: String(error) }, 'an image could not be described');
      return undefined;
    }
  }

  async #request(url: string, signal: AbortSignal): Promise<string> {
    const { baseUrl, apiKey, model } = this.#options;
    const response = await fetch(`${baseUrl.replace(/\/+$/, '')}/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({
        model,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: PROMPT },
              { type: 'image_url', image_url: { url, detail: 'low' } },
            ],
          },
        ],
      }),
      // The key and the image are for this endpoint alone.
      redirect: 'error',
      signal,
    });
    const answer = await readAtMost(response, MAX_ANSWER_BYTES);
    if (!response.ok) throw new Error(`${response.status}: ${oneLine(answer, 300)}`);
    const { choices } = JSON.parse(answer) as { choices?: { message?: { content?: unknown } }[] };
    const text = choices?.[0]?.message?.content;
    if (typeof text !== 'string' || text.trim() === '') throw new Error('the answer holds no text');
    return oneLine(text, MAX_CHARS);
  }
}

async function readAtMost(response: Response, most: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > most) throw new Error(`the answer has over ${most} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
