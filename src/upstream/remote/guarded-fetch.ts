import { RuntimeError } from '../../core/errors.js';

const MAX_REDIRECTS = 5;

export type Fetch = typeof fetch;

/**
 * A fetch that never leaves the origin: a redirect elsewhere would take the body, the headers and the session with it.
 * 307 and 308 within the origin are followed, five at most; one that would turn a POST into a GET is an error, since
 * the message would be lost and a "success" mean nothing.
 * @throws RuntimeError UPSTREAM_PROTOCOL for a refused redirect; else what fetch throws.
 */
export async function guardedFetch(
  server: string,
  fetchIt: Fetch,
  url: URL,
  init: RequestInit,
): Promise<Response> {
  let target = url;
  for (let hops = 0; ; hops += 1) {
    const response = await fetchIt(target, { ...init, redirect: 'manual' });
    const { status } = response;
    if (![301, 302, 303, 307, 308].includes(status)) return response;
    void response.body?.cancel().catch(() => {});
    const refuse = (why: string) =>
      new RuntimeError('UPSTREAM_PROTOCOL', `The server "${server}" redirects (HTTP ${status}): ${why}.`, {
        hint: 'If you trust the place it points to, write that into "url" of its definition.',
        data: { server, status, from: target.origin },
      });
    const location = response.headers.get('location');
    const next = location === null ? null : parse(location, target);
    if (!next) throw refuse('it does not say where to');
    if (next.origin !== url.origin || next.username !== '' || next.password !== '') {
      throw refuse(`to ${next.origin === 'null' ? next.protocol : next.origin}, which is not ${url.origin}`);
    }
    if (status < 307 && init.method !== 'GET') throw refuse(`a redirect of this kind loses the message`);
    if (hops >= MAX_REDIRECTS) throw refuse(`more than ${MAX_REDIRECTS} times`);
    target = next;
  }
}

function parse(location: string, base: URL): URL | null {
  try {
    return new URL(location, base);
  } catch {
    return null;
  }
}
