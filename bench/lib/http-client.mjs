// A small client of streamable HTTP: one session, one request at a time for each call, answers matched by id.
import http from 'node:http';

export async function connectHttp(url, sockets = 4) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: sockets });
  let session;
  let lastId = 0;
  const post = (message, timeoutMs) =>
    new Promise((resolve, reject) => {
      const request = http.request(
        url,
        {
          method: 'POST',
          agent,
          timeout: timeoutMs,
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            ...(session ? { 'mcp-session-id': session, 'mcp-protocol-version': '2025-06-18' } : {}),
          },
        },
        (response) => {
          session ??= response.headers['mcp-session-id'];
          const parts = [];
          response.on('data', (part) => parts.push(part));
          response.on('error', reject);
          response.on('end', () => {
            const body = Buffer.concat(parts).toString('utf8');
            const messages = /event-stream/.test(response.headers['content-type'] ?? '')
              ? body
                  .split('\n')
                  .filter((line) => line.startsWith('data:') && line.length > 6)
                  .map((line) => JSON.parse(line.slice(5)))
              : body === ''
                ? []
                : [JSON.parse(body)];
            resolve(messages.find((one) => one.id === message.id && one.method === undefined));
          });
        },
      );
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.on('error', reject);
      request.end(JSON.stringify({ jsonrpc: '2.0', ...message }));
    });
  const request = (method, params, timeoutMs = 60_000) => {
    lastId += 1;
    return post({ id: lastId, method, params }, timeoutMs);
  };
  await request('initialize', {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'soak', version: '1' },
  });
  await post({ method: 'notifications/initialized' }, 10_000);
  return {
    /** The result of one of our tools; undefined when there was no answer. */
    call: async (name, args, timeoutMs) =>
      (await request('tools/call', { name, arguments: args }, timeoutMs))?.result,
    close: () => agent.destroy(),
  };
}
