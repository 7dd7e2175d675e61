import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/processes.js';
import { callRequest, lines, messagesOf, startHttpFace } from '../support/raw-http.js';
import { bin, type CallResult, good, textOf, type Workplace, workplace } from '../support/runtime.js';

const TASKS = 3;

describe('many clients of one engine, over HTTP with tokens', () => {
  const at = workplace();
  let child: ChildProcess | undefined;
  const clients: Client[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    const ended = child && once(child, 'exit');
    child?.kill('SIGTERM');
    await ended;
    child = undefined;
  });

  const serve = async (place: Workplace): Promise<URL> => {
    const words = [bin, 'serve', '--engine', 'embedded', '--transport', 'http', '--port', '0'];
    const started = spawn(process.execPath, words, { env: place.env, stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    const url = await new Promise<string>((resolve, reject) => {
      let said = '';
      started.once('exit', () => reject(new Error(said)));
      started.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        const found = /listens on (\S+\/mcp)/.exec(said)?.[1];
        if (found) resolve(found);
      });
    });
    return new URL(url);
  };
  const tokenOf = async (place: Workplace, holder: string): Promise<string> =>
    String((await place.command('token', 'create', holder))['token']);
  const client = async (url: URL, token: string): Promise<Client> => {
    const made = new Client({ name: 'one-of-many', version: '1' });
    const requestInit = { headers: { authorization: `Bearer ${token}` } };
    await made.connect(new StreamableHTTPClientTransport(url, { requestInit }));
    clients.push(made);
    return made;
  };
  const call = async (from: Client, name: string, args: Record<string, unknown>): Promise<CallResult> =>
    (await from.callTool({ name, arguments: args }, { timeout: 120_000 })) as unknown as CallResult;
  const execute = (from: Client, tool_name: string, args: object, more: object = {}) =>
    call(from, 'execute_tool', { server_name: 'good', tool_name, arguments: args, ...more });

  it('CLI-02: twenty with the same ids get their own answers; what belongs to another holder is not there', async () => {
    const place = at();
    place.servers({ good: good() });
    const [ada, bob] = [await tokenOf(place, 'ada'), await tokenOf(place, 'bob')];
    const url = await serve(place);
    const all = await Promise.all(Array.from({ length: 20 }, (_, n) => client(url, n % 2 === 0 ? ada : bob)));
    const crossed: string[] = [];
    // Each client counts its requests from the same number.
    await Promise.all(
      all.map(async (one, who) => {
        for (let n = 0; n < 25; n += 1) {
          const nonce = `${who}/${n}/${Math.random()}`;
          const answer = textOf(await execute(one, 'echo', { text: nonce }));
          if (answer !== nonce) crossed.push(`${nonce} got ${answer}`);
        }
      }),
    );
    expect(crossed).toEqual([]);

    const [mine, other] = all as [Client, Client];
    const large = await execute(mine, 'blob', { bytes: 60_000 });
    const ref_id = /\[Reference: ([^\]]+)\]/.exec(textOf(large))?.[1] ?? '';
    const tasks = await Promise.all(
      Array.from({ length: TASKS }, () => execute(mine, 'sleep', { ms: 1_500 }, { in_background: true })),
    );
    const task_id = String(tasks[0]?.structuredContent.task_id);
    const made = '00000000-0000-4000-8000-000000000000';
    const asks: [string, Record<string, unknown>, Record<string, unknown>][] = [
      ['poll_task_result', { task_id }, { task_id: made }],
      ['cancel_task', { task_id }, { task_id: made }],
      ['get_content', { ref_id }, { ref_id: ref_id.replace(/[0-9a-z]/gi, '0') }],
    ];
    for (const [operation, foreign, unknown] of asks) {
      const [id = ''] = Object.values(foreign).map(String);
      const [no = ''] = Object.values(unknown).map(String);
      const answers = await Promise.all([call(other, operation, foreign), call(other, operation, unknown)]);
      expect(textOf(answers[0]).replaceAll(id, 'ID')).toBe(textOf(answers[1]).replaceAll(no, 'ID'));
    }
    expect((await call(other, 'list_tasks', { all: true })).structuredContent.total).toBe(0);
    // None of that did anything.
    const done = await call(mine, 'poll_task_result', { task_id, wait: 20 });
    expect(done.structuredContent.status).toBe('completed');
    expect((await call(mine, 'get_content', { ref_id })).isError).not.toBe(true);
  }, 90_000);
});

it('CLI-06: one that never reads over HTTP is held back, and takes nothing from the others', async () => {
  const http = await startHttpFace();
  const other = await http.initialize();
  const asked = 400;
  const socket = greedy(new URL(http.url), asked);
  try {
    for (let n = 0; n < 100; n += 1) {
      const answer = await messagesOf(await http.post(callRequest(n, 'echo', { text: `n${n}` }), other));
      expect(answer.at(-1)).toMatchObject({ id: n, result: { content: [{ text: `n${n}` }] } });
    }
    const served = () => http.runtime.calls.filter(({ tool }) => tool === 'big').length;
    let last = -1;
    await eventually(async () => {
      const before = last;
      last = served();
      await new Promise((resolve) => setTimeout(resolve, 500));
      return before === last && last > 0;
    });
    // What the system buffers was made, and not much more: 400 MB would wait otherwise.
    expect(served()).toBeLessThan(asked / 2);
  } finally {
    socket.destroy();
    await http.listener.close();
  }
}, 60_000);

/** Asks on and on for answers of some size on one connection, and reads none. */
function greedy(url: URL, count: number): Socket {
  const socket = connect(Number(url.port), url.hostname).pause();
  socket.on('error', () => {});
  const { params } = callRequest(1, 'big', { bytes: 1_000_000 });
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'greedy', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...params, _meta } });
  const head = [
    `Host: ${url.host}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    'MCP-Protocol-Version: 2026-07-28',
    'Mcp-Method: tools/call',
    'Mcp-Name: execute_tool',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  for (let n = 0; n < count; n += 1) socket.write(lines('POST /mcp', head, body));
  return socket;
}
