import { upstreamSessionContract } from '../contract/upstream-session.js';
import { fixture } from '../support/processes.js';
import { remoteDefinition, stdioDefinition } from '../support/upstream.js';

upstreamSessionContract('stdio', async ({ log }) =>
  stdioDefinition(fixture('good-server.mjs'), [], { env: { HOSTILE_LOG: log } }),
);

upstreamSessionContract('streamable HTTP, answers as JSON', async ({ http }) => {
  const { port } = await http(fixture('good-server.mjs'), ['http', '0', 'json']);
  return remoteDefinition('streamable-http', `http://127.0.0.1:${port}/mcp`);
});

upstreamSessionContract('streamable HTTP, answers as events', async ({ http }) => {
  const { port } = await http(fixture('good-server.mjs'), ['http', '0', 'sse']);
  return remoteDefinition('streamable-http', `http://127.0.0.1:${port}/mcp`);
});

upstreamSessionContract('HTTP+SSE', async ({ http }) => {
  const { port } = await http(fixture('good-server.mjs'), ['sse']);
  return remoteDefinition('sse', `http://127.0.0.1:${port}/sse`);
});
