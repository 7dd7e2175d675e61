import { RuntimeError } from '../../core/errors.js';
import { quoted } from './read.js';

/** What kind of trouble an index made; stands in `data.kind` of every INDEX_UNAVAILABLE of this folder. */
type Trouble =
  | 'unreachable'
  | 'timeout'
  | 'status'
  | 'refused-key'
  | 'garbage'
  | 'too-large'
  | 'redirect'
  | 'paging'
  | 'paused';

export function unavailable(
  index: string,
  trouble: Trouble,
  what: string,
  more: { retryable?: boolean; hint?: string; status?: number; retryAfterMs?: number; cause?: unknown } = {},
): RuntimeError {
  return new RuntimeError('INDEX_UNAVAILABLE', `The index at ${index} ${what}.`, {
    hint:
      more.hint ??
      'Servers and tools that are already known stay usable. Check DISCOVERY_URL and that the index runs.',
    retryable: more.retryable ?? false,
    cause: more.cause,
    data: {
      index,
      kind: trouble,
      ...(more.status === undefined ? {} : { status: more.status }),
      ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }),
    },
  });
}

/** How many bytes one operation may still read, over all of its pages and attempts. */
export interface ByteBudget {
  left: number;
}

interface HttpRequest {
  readonly index: string;
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | FormData | undefined;
  readonly signal: AbortSignal;
  readonly budget: ByteBudget;
  readonly fetch: typeof fetch;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const MAX_REDIRECTS = 3;

/**
 * One request, followed over redirects of the same origin alone: `fetch` by itself would carry body and keys to
 * whatever origin the index names.
 * @throws RuntimeError INDEX_UNAVAILABLE; the signal's reason when it aborted.
 */
export async function exchange(request: HttpRequest): Promise<HttpAnswer> {
  let url = request.url;
  for (let hop = 0; ; hop++) {
    const response = await send(request, url);
    if (![301, 302, 303, 307, 308].includes(response.status)) return await readBody(request, response);
    await response.body?.cancel().catch(() => {});
    url = redirected(request, response, url, hop);
  }
}

async function send(request: HttpRequest, url: URL): Promise<Response> {
  try {
    return await request.fetch(url, {
      method: request.method,
      headers: request.headers,
      body: request.body ?? null,
      redirect: 'manual',
      signal: request.signal,
    });
  } catch (error) {
    request.signal.throwIfAborted();
    throw unavailable(request.index, 'unreachable', `cannot be reached (${causeOf(error)})`, {
      retryable: true,
      cause: error,
    });
  }
}

function redirected(request: HttpRequest, response: Response, from: URL, hop: number): URL {
  const location = response.headers.get('location');
  const refuse = (what: string, hint?: string) =>
    unavailable(request.index, 'redirect', what, {
      status: response.status,
      ...(hint === undefined ? {} : { hint }),
    });
  if (hop >= MAX_REDIRECTS) throw refuse(`redirects more than ${MAX_REDIRECTS} times`);
  if (location === null || !URL.canParse(location, from.href)) throw refuse('redirects to nowhere');
  const to = new URL(location, from.href);
  if (to.origin !== from.origin) {
    throw refuse(
      `redirects to another origin (${quoted(to.origin)}), which is not followed: keys would go there`,
      `Set DISCOVERY_URL to ${quoted(to.origin)} if that is where the index is.`,
    );
  }
  // 301 to 303 turn a POST into a GET, which is another request than the one that was asked for.
  if (request.method !== 'GET' && response.status < 307)
    throw refuse(`redirects a ${request.method} with ${response.status}`);
  return to;
}

/** Reads what is decoded, chunk by chunk: a small compressed body may be a large one. */
async function readBody(request: HttpRequest, response: Response): Promise<HttpAnswer> {
  const chunks: Uint8Array[] = [];
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const part = await reader?.read();
      if (!part || part.done) break;
      request.budget.left -= part.value.byteLength;
      if (request.budget.left < 0) {
        await reader?.cancel().catch(() => {});
        throw unavailable(request.index, 'too-large', 'answers with more data than is accepted');
      }
      chunks.push(part.value);
    }
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    request.signal.throwIfAborted();
    throw unavailable(request.index, 'unreachable', `broke off its answer (${causeOf(error)})`, {
      retryable: true,
      cause: error,
    });
  }
  return { status: response.status, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') };
}

/** `fetch failed` says nothing; its cause has the code. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof Error) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
    return code || quoted(cause.message);
  }
  return 'unknown reason';
}
