// The smallest server that works: an echo that costs next to nothing, so that what a call costs is what is between.
const LINE_FEED = 10;
const tool = (name) => ({ name, description: name, inputSchema: { type: 'object' } });

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'bare', version: '1' },
  }),
  'tools/list': () => ({ tools: ['echo', 'blob'].map(tool) }),
  'tools/call': ({ name, arguments: { message, bytes } }) => ({
    content: [{ type: 'text', text: name === 'blob' ? 'x'.repeat(bytes) : `Echo: ${message}` }],
  }),
  ping: () => ({}),
};

function take(line) {
  const { id, method, params } = JSON.parse(line.toString('utf8'));
  if (id === undefined) return;
  const answer = answers[method];
  const rest = answer ? { result: answer(params) } : { error: { code: -32601, message: 'Method not found' } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...rest })}\n`);
}

let chunks = [];
process.stdin.on('data', (chunk) => {
  let start = 0;
  for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
    chunks.push(chunk.subarray(start, end));
    take(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    chunks = [];
    start = end + 1;
  }
  if (start < chunk.length) chunks.push(chunk.subarray(start));
});
