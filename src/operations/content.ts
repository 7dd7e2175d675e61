import { z } from 'zod';
import type { Operation } from './operation.js';
import { next } from './text.js';

const input = () =>
  z.object({
    ref_id: z.string().max(4096),
    server_name: z.string().min(1).max(256).optional(),
    chunk_index: z.int().optional(),
    lines: z.string().max(64).optional(),
    search: z.string().max(1024).optional(),
    json_path: z.string().max(1024).optional(),
  });

const output = () =>
  z.object({
    ref_id: z.string(),
    kind: z.enum(['text', 'image', 'audio', 'binary']),
    mime_type: z.string(),
    text: z.string().optional(),
    /** Base64. */
    data: z.string().optional(),
    chunk: z.object({ index: z.int(), total: z.int() }).optional(),
    next: z.string().optional(),
  });

/** The answer is the content, so it is given once, as content, and not again as `structuredContent`. */
export const getContent: Operation<'get_content', ReturnType<typeof input>, ReturnType<typeof output>> = {
  name: 'get_content',
  title: 'Read kept content',
  description:
    'Read what stands behind a [Reference: id]: whole, one chunk (chunk_index from 0), lines ("120-180"), search (regex) or json_path. Prefer a part. With server_name, ref_id is the uri of a resource that server linked to.',
  audience: 'model',
  input,
  output,
  answers: 'verbatim',
  annotations: { readOnlyHint: true, openWorldHint: false },
  // Claude Code writes what is longer than its own limit to a file; what was asked for by reference is wanted in sight.
  meta: { 'anthropic/maxResultSizeChars': 500_000 },
  present: (content) => {
    if (content.data !== undefined) {
      const block =
        content.kind === 'image' || content.kind === 'audio'
          ? { type: content.kind, data: content.data, mimeType: content.mime_type }
          : {
              type: 'resource',
              resource: {
                uri: `mcp-runtime://content/${content.ref_id}`,
                mimeType: content.mime_type,
                blob: content.data,
              },
            };
      const words = content.text === undefined ? [] : [{ type: 'text', text: content.text }];
      return { content: [block, ...words] };
    }
    const head = content.chunk ? `[Chunk ${content.chunk.index + 1}/${content.chunk.total}]\n` : '';
    return {
      content: [
        { type: 'text', text: head + (content.text ?? '') + (content.next ? next(content.next) : '') },
      ],
    };
  },
};
