import { z } from 'zod';

const name = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\p{Cc}\p{Cf}]*$/u, 'should hold no control characters')
  .refine(
    (text) => text === text.trim() && !/^\.{1,2}$/.test(text),
    'should be neither dots alone nor have spaces around it',
  );
const noNul = z.string().regex(/^[^\0]*$/, 'should hold no NUL');
const texts = z.record(z.string().min(1), noNul);
const seconds = z.number().positive().max(3600);
const address = z.url({ protocol: /^https?$/, error: 'should be an http or https URL' });

const search = {
  query: z.string().min(1).max(1000),
  limit: z.int().min(1).max(100).default(10),
  min_score: z.number().min(0).max(1).default(0.3),
};

/** What requests carry, in the first spelling; `olderNames` turns the second into it. */
export const requests = {
  ServerSearch: z.object(search),
  ToolSearch: z.object({
    ...search,
    server_names: z.array(z.string()).max(1000).nullish(),
    type: z.enum(['app', 'mcp', 'custom', 'base']).nullish(),
    enabled: z.boolean().nullish(),
  }),
  ServerAdd: z
    .object({
      server_name: name,
      command: noNul.min(1).nullish(),
      args: z.array(noNul).default([]),
      env: texts.default({}),
      url: address.nullish(),
      headers: texts.default({}),
      timeout: seconds.default(50),
      alpha: z.number().min(0).max(1).default(0.1),
    })
    .refine((body) => (body.command ?? undefined) !== undefined || (body.url ?? undefined) !== undefined, {
      error: 'stdio needs a command, http needs a url',
    })
    .refine((body) => !body.command || !body.url, { error: 'command and url exclude each other' }),
  ServerUpdate: z.object({
    command: noNul.min(1).optional(),
    args: z.array(noNul).optional(),
    env: texts.optional(),
  }),
  Page: z.object({ limit: z.int().min(1).max(1000).default(50), offset: z.int().min(0).default(0) }),
} as const;

const server = z.object({
  server_name: z.string(),
  title: z.string().nullable(),
  summary: z.string().nullable(),
  capabilities: z.array(z.string()),
  limitations: z.array(z.string()),
  nb_tools: z.int(),
  server_id: z.string().optional(),
  score: z.number().min(0).max(1).optional(),
});
const tool = z.object({
  tool_name: z.string(),
  title: z.string().optional(),
  tool_description: z.string(),
  tool_schema: z.looseObject({}),
  output_schema: z.looseObject({}).optional(),
  annotations: z.looseObject({}).optional(),
  server_name: z.string(),
  tool_id: z.string().optional(),
  score: z.number().min(0).max(1).optional(),
});
const found = {
  total_results: z.int(),
  query: z.string(),
  message: z.string(),
  processing_time_ms: z.number(),
};
const page = { limit: z.int(), offset: z.int() };
const serverAnswer = z.object({ server, message: z.string() });

/** What answers carry, in the first spelling. */
export const answers = {
  ToolsFound: z.object({ tools: z.array(tool), ...found }),
  ServersFound: z.object({ servers: z.array(server), ...found }),
  ServerList: z.object({ servers: z.array(server), ...page }),
  ServerAnswer: serverAnswer,
  ToolList: z.object({ tools: z.array(tool), server_name: z.string(), ...page }),
  Tool: tool,
  StartupConfig: z.object({
    server_name: z.string(),
    transport: z.enum(['stdio', 'http']),
    command: z.string().nullable(),
    args: z.array(z.string()),
    env: texts,
    url: z.string().nullable(),
    headers: texts,
    timeout: z.number(),
  }),
  Statistics: z.object({ total_servers: z.int(), total_tools: z.int() }),
  BulkAnswer: z.object({
    results: z.array(
      z.object({
        server_name: z.string(),
        success: z.boolean(),
        message: z.string(),
        server_info: server.optional(),
      }),
    ),
    successful_count: z.int(),
    failed_count: z.int(),
    total_count: z.int(),
    message: z.string(),
    processing_time_ms: z.number(),
  }),
  Message: z.object({ message: z.string() }),
  Failure: z.object({ detail: z.string() }),
  ValidationFailure: z.object({
    detail: z.array(
      z.object({ loc: z.array(z.union([z.string(), z.int()])), msg: z.string(), type: z.string() }),
    ),
  }),
} as const;

export type ServerJson = z.output<typeof server>;
export type ToolJson = z.output<typeof tool>;
export type RequestName = keyof typeof requests;
export type AnswerName = keyof typeof answers;
