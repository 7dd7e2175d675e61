// The smallest client of streamable HTTP: sockets that stay open, one request at a time on each, and as little work as
// reading the answer takes, so that what is measured is the other end. node:http's client costs as much as a whole call.
import { connect } from 'node:net';

export async function connectRawHttp(url, sockets = 1) {
  const { hostname, port, pathname } = new URL(url);
  const free = [];
  const waiting = [];
  const all = new Set();
  let session = '';
  let lastId = 0;

  const open = () =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        const wire = { socket, answer: undefined, has: Buffer.alloc(0) };
        socket.on('data', (chunk) => {
          wire.has = wire.has.length === 0 ? chunk : Buffer.concat([wire.has, chunk]);
          const whole = readAnswer(wire.has);
          if (whole === undefined) return;
          wire.has = wire.has.subarray(whole.bytes);
          const { resolve: answered } = wire.answer;
          wire.answer = undefined;
          const next = waiting.shift();
          if (next) next(wire);
          else free.push(wire);
          answered(whole);
        });
        // A server closes what was not used for some seconds.
        socket.on('close', () => {
          all.delete(socket);
          if (free.includes(wire)) free.splice(free.indexOf(wire), 1);
          wire.answer?.reject(new Error('the server closed the connection'));
        });
        all.add(socket);
        resolve(wire);
      });
    });

  const take = () => {
    const wire = free.pop();
    if (wire) return wire;
    if (all.size < sockets) return open();
    return new Promise((resolve) => waiting.push(resolve));
  };

  const exchange = (wire, request) =>
    new Promise((resolve, reject) => {
      wire.answer = { resolve, reject };
      wire.socket.write(request);
    });

  const post = async (message) => {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    const text =
      `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n` +
      `accept: application/json, text/event-stream\r\n${session}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    // A socket that was idle may be closed by the server at the moment it is used again.
    const { head, text: said } = await exchange(await take(), text).catch(async () =>
      exchange(await open(), text),
    );
    if (session === '') {
      const id = /^mcp-session-id: *(.*?)\r?$/im.exec(head)?.[1];
      if (id) session = `mcp-session-id: ${id}\r\nmcp-protocol-version: 2025-06-18\r\n`;
    }
    return resultIn(said);
  };
  const request = (method, params) => post({ id: ++lastId, method, params });
  await request('initialize', {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  });
  await post({ method: 'notifications/initialized' });
  return {
    call: (name, args) => request('tools/call', { name, arguments: args }),
    close: () => {
      for (const socket of all) socket.destroy();
    },
  };
}

/** The first answer in the bytes, once it is whole. */
function readAnswer(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.latin1Slice(0, end);
  const from = end + 4;
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  if (length !== undefined) {
    const to = from + Number(length);
    return bytes.length < to ? undefined : { head, text: bytes.utf8Slice(from, to), bytes: to };
  }
  if (!/^transfer-encoding: *chunked/im.test(head)) return { head, text: '', bytes: from };
  const parts = [];
  for (let at = from; ; ) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.latin1Slice(at, line), 16);
    const next = line + 2 + size + 2;
    if (bytes.length < next) return undefined;
    if (size === 0) return { head, text: Buffer.concat(parts).toString(), bytes: next };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = next;
  }
}

/** JSON, or the last message of a stream of events. */
function resultIn(text) {
  if (text === '') return undefined;
  if (text.startsWith('{')) return JSON.parse(text).result;
  const at = text.lastIndexOf('\ndata: {');
  const from = at < 0 ? text.indexOf('data: {') + 6 : at + 7;
  return JSON.parse(text.slice(from, text.indexOf('\n', from))).result;
}
