import { describe, expect, it } from 'vitest';
import { Payload } from '../core/payload.js';
import { clientFrame, serverFrame } from './frames.js';
import { decodeResult, encodeResult } from './result.js';
import { readUsualRequest, readUsualResult, usualPayload } from './usual-frames.js';
import { print } from './waiting-call.js';

const input = { server_name: 'a', tool_name: 'é"\\', arguments: { x: [1, null, '}'], y: {} }, timeout: 60 };
const request = `{"type":"request","id":7,"op":"execute_tool","caller":"0b1c-9f","deadline":1234,"client":true,${print(input, undefined)}}`;
const result =
  '{"type":"result","id":7,"output":{"status":"completed"},"payloads":[{"key":"result","bytes":12}]}';

describe('a usual frame', () => {
  it('means what it means as JSON', () => {
    for (const text of [request, request.replace(',"client":true', '')])
      expect(clientFrame.parse(JSON.parse(text))).toEqual(readUsualRequest(text));
    expect(readUsualRequest(request)?.input).toEqual(input);
    expect(serverFrame.parse(JSON.parse(result))).toEqual(readUsualResult(result));
  });

  it.each([
    ['another type', request.replace('request', 'cancel')],
    ['an id of 0', request.replace(':7', ':0')],
    ['an id that begins with 0', request.replace(':7', ':07')],
    ['an id that is no whole number', request.replace(':7', ':7.5')],
    ['an id in more digits than a number holds', request.replace(':7', ':7000000000000000')],
    ['a word with an escape', request.replace('0b1c', '\\u0030b1c')],
    ['a deadline with a fraction', request.replace('1234', '1234.5')],
    ['no deadline', request.replace('1234', '')],
    ['more members behind the input', request.replace(/}$/, ',"meta":{}}')],
    ['the input twice', request.replace(/}$/, ',"input":1}')],
    ['an input that is no JSON', request.replace(/}}$/, '}')],
    ['an end that is missing', request.slice(0, -1)],
    ['something behind the end', `${request} `],
    ['progress', request.replace(',"client"', ',"progress":true,"client"')],
  ])('is not read from %s', (_, text) => {
    expect(readUsualRequest(text)).toBeUndefined();
  });

  it.each([
    ['another type', result.replace('result', 'error')],
    ['another status', result.replace('completed', 'queued')],
    ['an id of 0', result.replace(':7', ':0')],
    ['a size', result.replace(/}$/, ',"size":12}')],
    ['no length', result.replace('12', '')],
    ['a second payload', result.replace(/]}$/, ',{"key":"b","bytes":1}]}')],
    ['an end that is missing', result.slice(0, -1)],
    ['something behind the end', `${result}}`],
  ])('of a result is not read from %s', (_, text) => {
    expect(readUsualResult(text)).toBeUndefined();
  });

  it('is printed for a completed call alone, and read back', () => {
    const payload = Payload.fromBytes(Buffer.from('{"content":[]}'));
    const { head, body, bytes } = encodeResult(3, { status: 'completed', result: payload });
    const read = readUsualResult(`${head}}`);
    expect(read).toEqual(JSON.parse(`${head}}`));
    expect(bytes).toBe(14);
    const decoded = decodeResult(read as NonNullable<typeof read>, body);
    expect((decoded['result'] as Payload).value).toEqual({ content: [] });
    expect(usualPayload({ status: 'completed', result: payload, more: 1 })).toBeUndefined();
    expect(usualPayload({ status: 'completed', result: {} })).toBeUndefined();
    expect(usualPayload({ status: 'running', result: payload })).toBeUndefined();
  });
});

describe('the input of a request', () => {
  it('is printed as JSON.stringify does', () => {
    const date = new Date(0);
    for (const given of [
      input,
      {},
      [1],
      'a',
      null,
      { a: undefined, b: () => 1, c: date, d: 1.5 },
      date,
      { toJSON: () => [1] },
    ])
      expect(print(given, undefined)).toBe(`"input":${JSON.stringify(given)}`);
    expect(print(undefined, { a: 1 })).toBe('"input":{},"meta":{"a":1}');
  });
});
