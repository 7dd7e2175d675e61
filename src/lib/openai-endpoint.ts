import { sleep } from './abort.js';
import { backoffDelay } from './backoff.js';
import { oneLine } from './printable.js';

/** An endpoint that speaks OpenAI's HTTP API: OpenAI itself, or Ollama, vLLM, LM Studio and the like. */
export interface OpenAiEndpoint {
  /** With its version: `https://api.openai.com/v1`, `http://localhost:11434/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  /** For one try, ms. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Repetitions after the first try. Default 2. */
  readonly retries?: number | undefined;
  /** Base of the pauses between tries, ms. Default 500. */
  readonly backoffMs?: number | undefined;
}

/** Why an endpoint gave no answer, for people; never with the key. */
export class EndpointError extends Error {
  override readonly name = 'EndpointError';
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryable: boolean, retryAfterMs?: number) {
    super(message);
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

const OPENAI = 'https://api.openai.com/v1';
const MAX_BYTES = 64 * 1_048_576;
const MAX_PAUSE_MS = 10_000;
const RETRIED = new Set([408, 409, 425, 429, 500, 502, 503, 504]);

/** The endpoint that settings name; none without an address or a key. */
export function endpointOf(settings: {
  readonly baseUrl: string | undefined;
  readonly apiKey: string | undefined;
}): OpenAiEndpoint | undefined {
  if (settings.baseUrl === undefined && settings.apiKey === undefined) return undefined;
  return { baseUrl: settings.baseUrl ?? OPENAI, apiKey: settings.apiKey };
}

/**
 * Posts JSON and gives the JSON of the answer.
 * @param path after the base address, without a slash at its beginning.
 * @throws EndpointError, or the signal's reason.
 */
export async function postJson(
  endpoint: OpenAiEndpoint,
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<unknown> {
  const { retries = 2, backoffMs = 500 } = endpoint;
  for (let attempt = 1; ; attempt++) {
    try {
      return await postOnce(endpoint, path, body, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof EndpointError) || !error.retryable || attempt > retries) throw error;
      const pause = backoffDelay(attempt, { baseMs: backoffMs, capMs: MAX_PAUSE_MS });
      await sleep(Math.min(MAX_PAUSE_MS, Math.max(pause, error.retryAfterMs ?? 0)), { signal, unref: true });
    }
  }
}

async function postOnce(
  endpoint: OpenAiEndpoint,
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<unknown> {
  const { baseUrl, apiKey, timeoutMs = 30_000 } = endpoint;
  const where = shown(baseUrl);
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${baseUrl.replace(/\/+$/, '')}/${path}`, {
      method: 'POST',
      // A redirect would carry the key elsewhere.
      redirect: 'error',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    text = await bounded(response);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof EndpointError) throw error;
    const late = error instanceof Error && error.name === 'TimeoutError';
    throw new EndpointError(
      `${where} ${late ? `did not answer within ${timeoutMs / 1000} s` : 'cannot be reached'}.`,
      true,
    );
  }
  if (!response.ok) {
    const seconds = Number(response.headers.get('retry-after'));
    const said = apiKey === undefined ? text : text.replaceAll(apiKey, '[key]');
    throw new EndpointError(
      `${where} answers with ${response.status}: ${oneLine(said, 200)}`,
      RETRIED.has(response.status),
      Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
    );
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new EndpointError(`${where} answers with something that is not JSON.`, false);
  }
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new EndpointError('The endpoint gives more than 64 MiB.', false);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function shown(baseUrl: string): string {
  return URL.canParse(baseUrl) ? `The endpoint at ${new URL(baseUrl).origin}` : 'The endpoint';
}
