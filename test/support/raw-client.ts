import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

interface Message {
  readonly id?: string | number;
  readonly method?: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into messages of every shape
  readonly params?: any;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into messages of every shape
  readonly result?: any;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** A client on bare JSON-RPC over stdio: what it gets is what was sent, untouched by any schema. */
export interface RawClient {
  readonly notifications: Message[];
  request(method: string, params?: Record<string, unknown>): Promise<Message>;
  notify(method: string, params?: Record<string, unknown>): void;
  close(): Promise<void>;
}

export const EVERYTHING = { roots: {}, sampling: {}, elicitation: { form: {}, url: {} } };

export interface RawClientOptions {
  readonly env: Record<string, string>;
  readonly capabilities?: Record<string, unknown>;
  /** What it answers to requests, at once or later; a missing method is refused. */
  readonly answers?: Record<string, (params: Record<string, unknown>) => unknown>;
}

/** Starts a server, says `initialize`, and answers its requests. */
export async function rawClient(
  command: readonly string[],
  { env, capabilities = {}, answers = {} }: RawClientOptions,
): Promise<RawClient> {
  const child: ChildProcess = spawn(command[0] ?? '', command.slice(1), {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const waiting = new Map<unknown, (message: Message) => void>();
  const exited = new Promise((resolve) => child.once('exit', resolve)).then(() => {
    for (const settle of waiting.values()) settle({ error: { code: 0, message: 'the process ended' } });
  });
  const notifications: Message[] = [];
  let nextId = 1;
  const send = (message: object) => child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  lines.on('line', (line) => {
    const message = JSON.parse(line) as Message;
    if (message.method === undefined) waiting.get(message.id)?.(message);
    else if (message.id === undefined) notifications.push(message);
    else {
      const answer = answers[message.method];
      if (!answer) send({ id: message.id, error: { code: -32601, message: 'Method not found' } });
      else void Promise.resolve(answer(message.params)).then((result) => send({ id: message.id, result }));
    }
  });
  const client: RawClient = {
    notifications,
    request: (method, params) =>
      new Promise((resolve) => {
        const id = nextId++;
        waiting.set(id, resolve);
        send({ id, method, ...(params ? { params } : {}) });
      }),
    notify: (method, params) => {
      send({ method, ...(params ? { params } : {}) });
    },
    close: async () => {
      child.stdin?.end();
      const timer = setTimeout(() => child.kill('SIGTERM'), 3_000);
      await exited;
      clearTimeout(timer);
    },
  };
  await client.request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities,
    clientInfo: { name: 'raw', version: '1' },
  });
  client.notify('notifications/initialized');
  return client;
}
