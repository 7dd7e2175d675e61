import type { ContentManager } from '../content/content-manager.js';
import type { ContentPart } from '../content/read.js';
import type { NewContent } from '../content/store.js';
import type { OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { OperationInput as In, OperationOutput as Out } from '../operations/table.js';
import type { Executor } from './executor.js';

const READ_MS = 60_000;
const MAX_PAGES = 20;

/** One entry of `contents` in an answer to `resources/read`. */
interface Contents {
  readonly uri?: unknown;
  readonly mimeType?: unknown;
  readonly text?: unknown;
  readonly blob?: unknown;
}

/** Reads what is kept, and the resources that servers linked to. */
export class Reading {
  readonly #content: ContentManager;
  readonly #executor: Executor;

  constructor(parts: { content: ContentManager; executor: Executor }) {
    this.#content = parts.content;
    this.#executor = parts.executor;
  }

  async run(input: In<'get_content'>, context: OperationContext): Promise<Out<'get_content'>> {
    const { principal } = context.caller;
    const ref =
      input.server_name === undefined
        ? input.ref_id
        : await this.#fetch(input.server_name, input.ref_id, context);
    const part = await this.#content.read(principal, ref, {
      chunkIndex: input.chunk_index,
      lines: input.lines,
      search: input.search,
      jsonPath: input.json_path,
    });
    return shown(part);
  }

  /** Reads a resource through its server and keeps it like a large result, so that every way of looking in works. */
  async #fetch(server: string, uri: string, context: OperationContext): Promise<string> {
    if (!this.#content.wasTold(context.caller.principal, server, uri))
      await this.#mustList(server, uri, context);
    const { contents } = (await this.#ask(server, 'resources/read', { uri }, context)) as {
      contents?: unknown;
    };
    const entries = Array.isArray(contents) ? (contents as Contents[]) : [];
    const ref = await this.#content.put(context.caller.principal, asContent(entries));
    return ref.id;
  }

  /** A model cannot make a server read what nobody offered, a file outside of what it shares for instance. */
  async #mustList(server: string, uri: string, context: OperationContext): Promise<void> {
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const params = cursor === undefined ? {} : { cursor };
      const answer = await this.#ask(server, 'resources/list', params, context).catch((error: unknown) => {
        if (error instanceof RuntimeError && error.code === 'UPSTREAM_ERROR') return {};
        throw error;
      });
      const { resources, nextCursor } = answer as { resources?: unknown; nextCursor?: unknown };
      if (Array.isArray(resources) && resources.some((one: { uri?: unknown } | null) => one?.uri === uri))
        return;
      cursor = nextCursor;
      if (typeof cursor !== 'string' || cursor === '') break;
    }
    throw new RuntimeError(
      'CONTENT_NOT_FOUND',
      `The server "${server}" has not given out a resource of that uri.`,
      {
        hint: 'Use the uri of a resource link from one of its results, as it stands there.',
      },
    );
  }

  async #ask(
    server: string,
    method: string,
    params: Readonly<Record<string, unknown>>,
    context: OperationContext,
  ): Promise<unknown> {
    const request = { ...askerOf(context.caller), server, method, params, timeoutMs: READ_MS };
    const payload = await this.#executor.forward(request, { signal: context.signal, client: context.client });
    return payload.value ?? {};
  }
}

const askerOf = ({ principal, clientId, clientName, restriction }: OperationContext['caller']) => ({
  principal,
  clientId,
  clientName,
  restriction,
});

/** One entry as what it is; of several, or of none, the list. */
function asContent(entries: readonly Contents[]): NewContent {
  const [only] = entries;
  const given = typeof only?.mimeType === 'string' ? only.mimeType : undefined;
  if (entries.length === 1 && typeof only?.text === 'string')
    return { kind: 'text', mimeType: given ?? 'text/plain', data: only.text };
  if (entries.length === 1 && typeof only?.blob === 'string') {
    const mimeType = given ?? 'application/octet-stream';
    const kind = mimeType.startsWith('image/') ? 'image' : mimeType.startsWith('audio/') ? 'audio' : 'binary';
    return { kind, mimeType, data: Buffer.from(only.blob, 'base64') };
  }
  return { kind: 'text', mimeType: 'application/json', data: JSON.stringify(entries) };
}

const shown = (part: ContentPart): Out<'get_content'> => ({
  ref_id: part.ref,
  kind: part.kind,
  mime_type: part.mimeType,
  ...(part.text === undefined ? {} : { text: part.text }),
  ...(part.data === undefined ? {} : { data: part.data }),
  ...(part.chunk === undefined ? {} : { chunk: part.chunk }),
  ...(part.next === undefined ? {} : { next: part.next }),
});
