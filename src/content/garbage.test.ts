import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Payload } from '../core/payload.js';
import type { CallToolResult } from '../core/upstream.js';
import { LineSplitter } from '../lib/line-splitter.js';
import { ContentManager } from './content-manager.js';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcprt-garbage-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

const PIECE = 64 * 1_024;
const PIECES = 80;
const MIB = 1_048_576;

/** As a stream gives them: each with memory of its own. */
function* chunks(): Generator<Buffer> {
  yield Buffer.from('{"content":[{"type":"text","text":"');
  for (let i = 0; i < PIECES; i += 1) yield Buffer.from(new Uint8Array(PIECE).fill(0x61).buffer);
  yield Buffer.from('"}]}\n');
}

it('large results are freed by collections of the young generation alone', async () => {
  const manager = await ContentManager.open({ directory });
  let line: readonly Buffer[] = [];
  const splitter = new LineSplitter(64 * MIB, {
    line: (whole) => {
      line = [whole];
    },
    pieces: (pieces) => {
      line = pieces;
    },
    tooLong: () => expect.unreachable(),
  });
  const takeOne = async () => {
    for (const chunk of chunks()) splitter.push(chunk);
    const payload = Payload.fromPieces<CallToolResult>(line);
    line = [];
    await manager.offload(payload, { principal: 'ann' });
  };
  // What lives as long as the server is old then, as it is in a server.
  for (let i = 0; i < 5; i += 1) await takeOne();
  for (let i = 0; i < 3; i += 1) collect();
  const held = () => process.memoryUsage().arrayBuffers / MIB;
  const kept: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    const before = held();
    const more = () => Math.max(0, Math.round(held() - before));
    await takeOne();
    // What survived two collections is old, and is kept by what is old.
    for (let n = 0; n < 2; n += 1) collect({ type: 'minor' });
    // The buffers are freed on another thread.
    for (let n = 0; n < 20 && more() > 0; n += 1) await new Promise((resolve) => setTimeout(resolve, 25));
    kept.push(more());
  }
  // A collection that comes by itself while one is being kept may make that one old.
  expect(kept.filter((mib) => mib > 0).length, kept.join(' ')).toBeLessThan(3);
  manager.close();
});
