import { afterEach, describe, expect, it } from 'vitest';
import { completion, embeddings, type OpenAiStub, startOpenAiStub } from '../support/openai-stub.js';
import { eventually } from '../support/processes.js';
import { good, type RuntimeClient, workplace } from '../support/runtime.js';

const KEY = 'sk-canary-0123456789';
/** A word that neither the table nor any tool knows; for the stub it means what `echo` does. */
const WORD = 'qwrtzpsdf';

describe('models behind an OpenAI-compatible endpoint', () => {
  const at = workplace();
  let stub: OpenAiStub | undefined;
  afterEach(async () => {
    await stub?.stop();
    stub = undefined;
  });

  const about = (text: string) => (text.startsWith('echo:') || text === WORD ? [1, 0, 0, 0] : [0, 1, 0, 0]);
  const good4 = (path: string, body: Record<string, unknown>) =>
    path === 'embeddings' ? embeddings(body, about) : 404;
  const connect = async (more: Record<string, string>): Promise<RuntimeClient> => {
    const client = await at().client({
      env: { OPENAI_BASE_URL: stub?.baseUrl ?? '', OPENAI_API_KEY: KEY, LOG_LEVEL: 'silent', ...more },
    });
    await client.learnt();
    return client;
  };
  const search = async (client: RuntimeClient, query = WORD) =>
    (await client.call('search_tools', { query, min_score: 0, limit: 3 })).structuredContent as {
      hits: { tool: string }[];
      degraded?: boolean;
    };
  const texts = () =>
    (stub?.seen('embeddings') ?? [])
      .flatMap(({ input }) => input as string[])
      .filter((text) => text.includes(':'));

  it('finds by the model what words and table do not know, and has each text read once', async () => {
    stub = await startOpenAiStub(good4);
    at().servers({ a: good() });
    const env = { EMBEDDING_MODEL_NAME: 'stub-4', DIMENSIONS: '4' };
    const first = await connect(env);
    await eventually(async () => (await search(first)).hits[0]?.tool === 'echo', 10_000);
    expect((await search(first)).degraded).toBeUndefined();
    expect(stub.seen('embeddings')[0]).toMatchObject({ model: 'stub-4', dimensions: 4 });
    expect(stub.authorizations).toEqual(new Set([`Bearer ${KEY}`]));
    const read = texts();
    expect(new Set(read).size).toBe(read.length);
    await first.close();

    // Over a restart, and with one server more: only what is new is read.
    at().servers({ a: good(), b: { ...good(), env: { GOOD_TOOLS: '1' } } });
    const second = await connect(env);
    await eventually(async () => (await search(second)).hits[0]?.tool === 'echo', 10_000);
    expect(new Set(texts()).size).toBe(texts().length);
    expect(texts().length).toBeGreaterThan(read.length);
  });

  it.each([
    ['refuses', () => 401],
    ['answers with nonsense', () => 'no json'],
    [
      'gives vectors of another length',
      (_: string, body: Record<string, unknown>) => ({
        data: (body['input'] as string[]).map((_text, i) => ({
          embedding: i === 0 && (body['input'] as string[]).length === 1 ? [1, 0] : [1],
        })),
      }),
    ],
  ])('one that %s: search goes on, and says so', async (_name, answer) => {
    stub = await startOpenAiStub(answer);
    at().servers({ a: good() });
    const client = await connect({ EMBEDDING_MODEL_NAME: 'stub-4' });
    if (_name !== 'gives vectors of another length')
      await eventually(async () => (await search(client, 'echo a text')).degraded === true, 10_000);
    expect((await search(client, 'echo a text')).hits[0]).toMatchObject({ tool: 'echo' });
  });

  it('has servers described once, keeps what was written, and never what is no description', async () => {
    const description = {
      title: 'A test server',
      summary: 'Echoes texts.\u001b[31m',
      capabilities: ['echoes', 'counts'],
      limitations: ['forgets all'],
    };
    stub = await startOpenAiStub((path, body) =>
      path === 'chat/completions'
        ? completion(
            JSON.stringify(body).includes('strange')
              ? 'I cannot do that.'
              : `Here: \`\`\`json\n${JSON.stringify(description)}\n\`\`\``,
          )
        : 404,
    );
    at().servers({ a: { ...good(), blocked_tools: ['counter'] }, strange: good() });
    const env = { DESCRIPTION_MODEL_NAME: 'stub-chat' };
    const info = async (client: RuntimeClient, server_name: string) =>
      (await client.call('get_server_info', { server_name })).structuredContent;
    const first = await connect(env);
    await eventually(async () => (await info(first, 'a')).title === 'A test server', 10_000);
    expect(await info(first, 'a')).toMatchObject({
      summary: 'Echoes texts.',
      capabilities: ['echoes', 'counts'],
      limitations: ['forgets all', expect.stringContaining('blocked')],
    });
    await eventually(async () => stub?.seen('chat/completions').length === 2, 10_000);
    expect((await info(first, 'strange')).summary).not.toContain('cannot do that');
    await first.close();
    const second = await connect(env);
    await eventually(async () => (await info(second, 'a')).title === 'A test server', 10_000);
    const asked = stub.seen('chat/completions').map((body) => JSON.stringify(body));
    expect(asked.filter((text) => !text.includes('strange'))).toHaveLength(1);
  });

  it('a model that does not answer delays nothing, and nothing is asked unless a model is named', async () => {
    stub = await startOpenAiStub(() => undefined);
    at().servers({ a: good() });
    const client = await connect({ EMBEDDING_MODEL_NAME: 'stub-4', DESCRIPTION_MODEL_NAME: 'stub-chat' });
    expect((await search(client, 'echo a text')).hits[0]).toMatchObject({ tool: 'echo' });
    await client.close();
    const before = stub.seen('embeddings').length + stub.seen('chat/completions').length;
    const plain = await connect({});
    expect((await search(plain, 'echo a text')).hits[0]).toMatchObject({ tool: 'echo' });
    expect(stub.seen('embeddings').length + stub.seen('chat/completions').length).toBe(before);
  });
});
