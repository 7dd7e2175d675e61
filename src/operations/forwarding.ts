import { z } from 'zod';
import { Payload } from '../core/payload.js';
import type { ListedTool } from '../core/server.js';
import { type Operation, operation } from './operation.js';
import { list, plural } from './text.js';

const serverName = () => z.string().min(1).max(256);

/** For front-ends that show tools of upstream servers as their own. */
export const listExposed = operation({
  name: 'list_exposed',
  title: 'Servers and tools to be shown as our own',
  description:
    'The pinned servers and tools, or all of them, as their servers listed them. Waits a while for servers that are not known yet.',
  audience: 'face',
  input: () =>
    z.object({
      /** Everything, not only what is pinned. */
      all: z.boolean().default(false),
      /** Pinned by whoever asks, besides what the definitions pin. */
      pins: z
        .array(z.object({ server: serverName(), tool: z.string().min(1).max(1024).optional() }))
        .default([]),
    }),
  output: () =>
    z.object({
      servers: z.array(
        z.object({
          server: z.string(),
          tools: z.array(z.custom<ListedTool>()),
          /** Whether its resources and prompts are shown too: all of it is pinned, not single tools. */
          whole: z.boolean(),
          capabilities: z.record(z.string(), z.unknown()),
          instructions: z.string().optional(),
        }),
      ),
    }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  text: ({ servers }) =>
    list(
      servers.map(({ server, tools }) => `${server}: ${plural(tools.length, 'tool')}`),
      'Nothing is pinned.',
    ),
});

export const rootsChanged = operation({
  name: 'roots_changed',
  title: 'Say that the roots of a client have changed',
  description: 'Asks the client for its roots and tells the servers that run for it alone.',
  audience: 'face',
  input: () => z.object({}),
  /** How many servers were told. */
  output: () => z.object({ told: z.int() }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  text: ({ told }) => `Told ${plural(told, 'server')}.`,
});

const forwardInput = () =>
  z.object({
    server_name: serverName(),
    method: z.string().min(1).max(256),
    params: z.record(z.string(), z.unknown()).default({}),
    /** Seconds. The client that asks has limits of its own, and says when it no longer waits. */
    timeout: z.number().positive().max(86_400).default(3_600),
  });
const forwardOutput = () => z.object({ result: z.custom<Payload>((given) => given instanceof Payload) });

/** A request of a client for one server, its answer as it came: the way of pinned and direct servers. */
export const forwardRequest: Operation<
  'forward_request',
  ReturnType<typeof forwardInput>,
  ReturnType<typeof forwardOutput>
> = {
  name: 'forward_request',
  title: 'Hand a request on to a server',
  description: 'Sends one MCP request to a server, starting it if needed, and gives its result untouched.',
  audience: 'face',
  input: forwardInput,
  output: forwardOutput,
  answers: 'verbatim',
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  present: ({ result }) => ({ content: [{ type: 'text', text: JSON.stringify(result.value) }] }),
};
