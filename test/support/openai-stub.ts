import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface OpenAiStub {
  readonly baseUrl: string;
  /** Bodies of the requests so far, by path after `/v1/`. */
  seen(path: 'embeddings' | 'chat/completions'): Record<string, unknown>[];
  /** From now on: an answer for each request, or a status. */
  answer: (path: string, body: Record<string, unknown>) => unknown;
  readonly authorizations: Set<string | undefined>;
  stop(): Promise<void>;
}

/** The part of OpenAI's API that we use, on a loopback port. `answer` may be replaced; a number is a status. */
export async function startOpenAiStub(answer: OpenAiStub['answer']): Promise<OpenAiStub> {
  const requests: { path: string; body: Record<string, unknown> }[] = [];
  const authorizations = new Set<string | undefined>();
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const path = (request.url ?? '').replace(/^\/v1\//, '');
    const body = JSON.parse(text) as Record<string, unknown>;
    requests.push({ path, body });
    authorizations.add(request.headers.authorization);
    const said = stub.answer(path, body);
    if (said === undefined) return;
    response.writeHead(typeof said === 'number' ? said : 200, { 'content-type': 'application/json' });
    response.end(typeof said === 'string' ? said : JSON.stringify(said));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const stub: OpenAiStub = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    seen: (path) => requests.filter((one) => one.path === path).map(({ body }) => body),
    answer,
    authorizations,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return stub;
}

/** An answer to `/embeddings`. */
export const embeddings = (body: Record<string, unknown>, vectorOf: (text: string) => number[]): unknown => ({
  // Out of order, as the API may.
  data: (body['input'] as string[]).map((text, index) => ({ index, embedding: vectorOf(text) })).reverse(),
});

/** An answer to `/chat/completions`. */
export const completion = (content: string): unknown => ({
  choices: [{ message: { role: 'assistant', content } }],
});
