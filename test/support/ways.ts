import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { bin, type CallResult, type RuntimeClient, textOf, type Workplace } from './runtime.js';

/** What came of one try to call a tool, in the same form for every way. */
export interface Tried {
  readonly ran: boolean;
  /** `code: message` of the refusal, else the text of the result. */
  readonly said: string;
}

export interface Ways {
  readonly tools: RuntimeClient;
  /** Tries to call a tool by every way there is; by a command too, which is a process each time, where that is wanted. */
  tryAll(server: string, tool: string, withCommand?: boolean): Promise<Record<string, Tried>>;
  close(): Promise<void>;
}

/** Clients of every kind before one engine. `pins` are shown beside our own tools: a server, or server/tool. */
export async function openWays(place: Workplace, pins: readonly string[]): Promise<Ways> {
  const tools = await place.client();
  await tools.learnt();
  const pinned = await place.client({ args: pins.flatMap((pin) => ['--pin', pin]) });
  const router = await place.client({ args: ['--expose', 'router'] });
  const direct = await place.client({ args: ['--expose', 'direct'] });
  const http = await httpClient(place);
  /** As a client does that remembers the names of tools from before. */
  const remembered = new Map<Client, string[]>();
  for (const sdk of [pinned.sdk, direct.sdk])
    remembered.set(
      sdk,
      (await sdk.listTools()).tools.map(({ name }) => name),
    );

  const byName = async (sdk: Client, server: string, tool: string): Promise<Tried> => {
    const names = remembered.get(sdk) ?? [];
    const name = names.find((one) => one === `${server}__${tool}`) ?? names.find((one) => one === tool);
    if (name === undefined) return { ran: false, said: 'not shown' };
    return tried(() => sdk.callTool({ name, arguments: {} }) as Promise<unknown> as Promise<CallResult>);
  };
  const execute = (client: RuntimeClient, server_name: string, tool_name: string, more = {}) =>
    client.call('execute_tool', { server_name, tool_name, arguments: {}, ...more });

  return {
    tools,
    tryAll: async (server, tool, withCommand = false) => ({
      call: await tried(() => execute(tools, server, tool)),
      background: await tried(async () => {
        const accepted = await execute(tools, server, tool, { in_background: true });
        const task_id = (accepted.structuredContent as { task_id?: string } | undefined)?.task_id;
        if (task_id === undefined) return accepted;
        return tools.call('poll_task_result', { task_id, wait: 60 });
      }),
      router: await tried(() =>
        router.call('semantic_router', {
          operation: 'execute_tool',
          server_name: server,
          tool_name: tool,
          arguments: {},
        }),
      ),
      http: await tried(
        () =>
          http.sdk.callTool({
            name: 'execute_tool',
            arguments: { server_name: server, tool_name: tool, arguments: {} },
          }) as Promise<unknown> as Promise<CallResult>,
      ),
      pinned: await byName(pinned.sdk, server, tool),
      direct: await byName(direct.sdk, server, tool),
      ...(withCommand ? { command: await command(place, server, tool) } : {}),
    }),
    close: () => http.close(),
  };
}

async function tried(call: () => Promise<CallResult>): Promise<Tried> {
  const result = await call().catch((error: unknown): CallResult => {
    const { message } = error as Error;
    return { content: [{ type: 'text', text: message }], structuredContent: undefined, isError: true };
  });
  const { error } = (result.structuredContent ?? {}) as { error?: { code: string; message: string } };
  if (error) return { ran: false, said: `${error.code}: ${error.message}` };
  return { ran: result.isError !== true, said: textOf(result) };
}

async function command(place: Workplace, server: string, tool: string): Promise<Tried> {
  const answer = (await place.command('call', server, tool)) as unknown as {
    error?: { code: string; message: string };
    exitCode: number;
  };
  if (answer.error) return { ran: false, said: `${answer.error.code}: ${answer.error.message}` };
  return { ran: answer.exitCode === 0, said: JSON.stringify(answer) };
}

/** A front-end over HTTP, as a process of its own, and a client of it. */
async function httpClient(place: Workplace): Promise<{ sdk: Client; close(): Promise<void> }> {
  const words = [bin, 'serve', '--engine', 'shared', '--transport', 'http', '--port', '0'];
  const child = spawn(process.execPath, words, { env: place.env, stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /listens on (\S+\/mcp) /.exec(said)?.[1];
      if (found) resolve(found);
    });
    void exited.then(() => reject(new Error(`serve ended: ${said}`)));
  });
  const sdk = new Client({ name: 'http', version: '1' });
  await sdk.connect(new StreamableHTTPClientTransport(new URL(url)));
  return {
    sdk,
    close: async () => {
      await sdk.close();
      child.kill('SIGTERM');
      await exited;
    },
  };
}
