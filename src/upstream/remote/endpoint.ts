import { RuntimeError } from '../../core/errors.js';
import type { RemoteDefinition } from '../../core/server.js';

export interface Endpoint {
  readonly url: URL;
  /** The definition's own headers; values never appear in messages. */
  readonly headers: Readonly<Record<string, string>>;
}

/** @throws RuntimeError SERVER_START_FAILED when the url or a header cannot be used. */
export function endpointOf(definition: RemoteDefinition): Endpoint {
  const refuse = (why: string, hint: string) =>
    new RuntimeError('SERVER_START_FAILED', `The server "${definition.name}" cannot be reached: ${why}.`, {
      hint,
      retryable: false,
      data: { server: definition.name, phase: 'definition' },
    });
  const url = tryOr(() => new URL(definition.url));
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw refuse('its url is not an http or https address', 'Correct "url" in its definition.');
  }
  // fetch refuses a url with a name and a password in it.
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const basic = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString(
    'base64',
  );
  const headers = {
    ...(username || password ? { authorization: `Basic ${basic}` } : {}),
    ...definition.headers,
  };
  for (const [name, value] of Object.entries(headers)) {
    if (!tryOr(() => new Headers({ [name]: value }))) {
      throw refuse(
        `its header ${JSON.stringify(name)} cannot be sent`,
        'A header must not hold line breaks or characters outside Latin-1.',
      );
    }
  }
  return { url, headers };
}

function tryOr<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch {
    return undefined;
  }
}
