import { PassThrough } from 'node:stream';
import { silentLogger } from '../../src/lib/log.js';
import type { Expose } from '../../src/mcp/expose.js';
import { createMcpFace } from '../../src/mcp/face.js';
import { type ServeStdioOptions, serveStdio } from '../../src/mcp/serve-stdio.js';
import { type MemoryRuntime, memoryRuntime } from './memory-runtime.js';
import { eventually } from './processes.js';

interface Answer {
  readonly jsonrpc?: unknown;
  readonly id?: unknown;
  readonly method?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came
  readonly result?: any;
  // biome-ignore lint/suspicious/noExplicitAny: the same
  readonly error?: any;
  // biome-ignore lint/suspicious/noExplicitAny: the same
  readonly params?: any;
}

/** A face over pipes in this process, spoken to in raw lines. */
export function rawStdio(options: { expose?: Expose; transport?: Partial<ServeStdioOptions> } = {}) {
  const runtime: MemoryRuntime = memoryRuntime();
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const face = createMcpFace(runtime.port, {
    expose: options.expose ?? 'tools',
    version: '0.0.0-test',
    logger: silentLogger,
  });
  const service = serveStdio(face, { stdin, stdout, ...options.transport });
  const chunks: Buffer[] = [];
  stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const lines = () => Buffer.concat(chunks).toString('utf8').split('\n').slice(0, -1);
  const answers = () => lines().map((line) => JSON.parse(line) as Answer);
  let id = 0;
  const raw = {
    runtime,
    stdin,
    stdout,
    service,
    lines,
    answers,
    send: (message: unknown) =>
      stdin.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
    answerTo: (wanted: unknown, withinMs?: number) =>
      eventually(() => answers().find((one) => one.id === wanted && one.method === undefined), withinMs),
    request: async (method: string, params?: unknown) => {
      id += 1;
      raw.send({ jsonrpc: '2.0', id: `r${id}`, method, ...(params === undefined ? {} : { params }) });
      return raw.answerTo(`r${id}`);
    },
    call: (tool: string, args: Record<string, unknown> = {}) =>
      raw.request('tools/call', {
        name: 'execute_tool',
        arguments: { server_name: 'fixture', tool_name: tool, arguments: args },
      }),
    initialize: (protocolVersion = '2025-11-25') =>
      raw.request('initialize', {
        protocolVersion,
        capabilities: {},
        clientInfo: { name: 'raw\u001b[31mclient', version: '1' },
      }),
  };
  return raw;
}
