// The barest server with one more tool: `sleep` answers after some milliseconds, long enough to die in.
import { createInterface } from 'node:readline';

const tool = (name) => ({ name, description: name, inputSchema: { type: 'object' } });
const text = (value) => ({ content: [{ type: 'text', text: value }] });

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'sleeping', version: '1' },
  }),
  'tools/list': () => ({ tools: ['echo', 'sleep'].map(tool) }),
  'tools/call': async ({ name, arguments: { message, ms } }) => {
    if (name === 'sleep') await new Promise((resolve) => setTimeout(resolve, ms));
    return text(`Echo: ${message}`);
  },
  ping: () => ({}),
};

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const rest = answers[method]
    ? { result: await answers[method](params) }
    : { error: { code: -32601, message: 'Method not found' } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...rest })}\n`);
});
