// A client on bare JSON-RPC over stdio: what it gets is the text that was sent, untouched by any schema.
import { createInterface } from 'node:readline';
import { start } from './runtime.mjs';

/** Answers to what servers ask. */
const ANSWERS = {
  'roots/list': () => ({ roots: [] }),
  'sampling/createMessage': () => ({
    role: 'assistant',
    model: 'none',
    content: { type: 'text', text: 'An answer.' },
  }),
  'elicitation/create': () => ({ action: 'decline' }),
};

/** @returns a way to ask: resolves with the text of the result or error. */
export async function rawClient({ command, args, env, cwd }) {
  const { child, ended } = start(command, args, { env, cwd, stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = new Map();
  const send = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  createInterface({ input: child.stdout }).on('line', (line) => {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      // Some servers print what is no protocol.
      return;
    }
    if (message.method === undefined) waiting.get(message.id)?.(message);
    else if (message.id !== undefined) send({ id: message.id, result: ANSWERS[message.method]?.() ?? {} });
  });
  void ended.then(() => {
    for (const settle of waiting.values()) settle({ error: { code: 0, message: 'the process ended' } });
  });
  let next = 1;
  const request = (method, params) =>
    new Promise((resolve) => {
      const id = next++;
      waiting.set(id, resolve);
      send({ id, method, ...(params ? { params } : {}) });
    });
  await request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: { roots: {}, sampling: {}, elicitation: { form: {}, url: {} } },
    clientInfo: { name: 'raw', version: '1' },
  });
  send({ method: 'notifications/initialized' });
  return {
    request,
    close: async () => {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGTERM'), 3_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
