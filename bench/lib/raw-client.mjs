// The smallest MCP client over stdio: what it costs is next to nothing, so that what is measured is the other end.
import { spawn } from 'node:child_process';

const LINE_FEED = 10;

export async function startClient(command, args, env = {}) {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
  const waiting = new Map();
  let chunks = [];
  let lastId = 0;
  child.stdout.on('data', (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      chunks.push(chunk.subarray(start, end));
      const line = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      chunks = [];
      start = end + 1;
      const message = JSON.parse(line.toString('utf8'));
      const resolve = waiting.get(message.id);
      if (resolve && message.method === undefined) {
        waiting.delete(message.id);
        resolve({ message, bytes: line.length });
      }
    }
    if (start < chunk.length) chunks.push(chunk.subarray(start));
  });
  const request = (method, params) =>
    new Promise((resolve) => {
      lastId += 1;
      waiting.set(lastId, resolve);
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: lastId, method, params })}\n`);
    });
  await request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  });
  child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
  return {
    pid: child.pid,
    request,
    async call(name, args) {
      const { message, bytes } = await request('tools/call', { name, arguments: args });
      if (message.error || message.result.isError) throw new Error(JSON.stringify(message).slice(0, 500));
      return { result: message.result, bytes };
    },
    close: () =>
      new Promise((resolve) => {
        child.once('exit', resolve);
        child.stdin.end();
      }),
  };
}
