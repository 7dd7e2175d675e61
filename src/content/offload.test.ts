import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Payload } from '../core/payload.js';
import type { CallToolResult, ContentBlock } from '../core/upstream.js';
import { ContentManager } from './content-manager.js';
import { fitsTokens } from './tokens.js';

const REFERENCE = /\[Reference: ([0-9a-f-]{36})\]/;
const png = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
  Buffer.from([0, 0, 3, 32, 0, 0, 2, 88]),
  Buffer.alloc(200, 7),
]);

describe('offload', () => {
  let home = '';
  let content: ContentManager;
  const offload = (result: CallToolResult, keepUntil?: number) =>
    content.offload(Payload.fromValue(result), { principal: 'ann', keepUntil });
  const blocksOf = (payload: Payload<CallToolResult>) => payload.value.content as readonly ContentBlock[];
  const refIn = (block: ContentBlock | undefined) => REFERENCE.exec(String(block?.['text']))?.[1] ?? 'none';
  const read = async (block: ContentBlock | undefined) => (await content.read('ann', refIn(block))).text;

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'mcprt-offload-'));
    content = await ContentManager.open({ directory: join(home, 'content'), maxResultTokens: 1000 });
  });
  afterEach(() => {
    content.close();
    rmSync(home, { recursive: true, force: true });
  });

  it('gives back the same object, unparsed, when there are fewer bytes than tokens allowed', async () => {
    const broken = Payload.fromBytes<CallToolResult>(Buffer.from('{"not JSON at all'));
    expect(await content.offload(broken, { principal: 'ann' })).toBe(broken);
    const fits = Payload.fromValue<CallToolResult>({
      content: [{ type: 'text', text: 'word '.repeat(700) }],
    });
    expect(await content.offload(fits, { principal: 'ann' })).toBe(fits);
    expect(content.statistics().items).toBe(0);
  });

  it('puts head, facts and reference in the place of a long text, and keeps what stands around it', async () => {
    const text = Array.from({ length: 3000 }, (_, line) => `line ${line + 1} of the log\n`).join('');
    const made = await offload({
      isError: true,
      _meta: { a: 1 },
      future: { b: 2 },
      content: [{ type: 'text', text, annotations: { audience: ['user'] }, _meta: { c: 3 }, cites: [7] }],
    });
    const { content: blocks, ...rest } = made.value;
    expect(rest).toEqual({ isError: true, _meta: { a: 1 }, future: { b: 2 } });
    expect(blocks).toHaveLength(1);
    const block = blocks?.[0];
    expect(block).toMatchObject({
      type: 'text',
      annotations: { audience: ['user'] },
      _meta: { c: 3 },
      cites: [7],
    });
    const said = String(block?.['text']);
    expect(said).toMatch(/^line 1 of the log\n/);
    expect(said).toMatch(/3000 lines, about \d+ tokens, text\./);
    expect(said).toMatch(/in \d+ chunks, kept for up to 24 h/);
    expect(said).toContain(`Next: get_content(ref_id="${refIn(block)}", chunk_index=0..`);
    expect(await fitsTokens(said, 1000)).toBe(true);
    expect(await read(block)).toBe(text);
  });

  it('keeps the answer within the limit when the head is denser than the rest, or the text is one run', async () => {
    const dense = Array.from({ length: 1500 }, (_, n) =>
      String.fromCodePoint(0x4e00 + ((n * 7919) % 5000)),
    ).join('');
    for (const text of [
      `${dense}${' '.repeat(500_000)}`,
      'A'.repeat(300_000),
      '😀'.repeat(50_000),
      '\n'.repeat(400_000),
    ]) {
      const [block] = blocksOf(await offload({ content: [{ type: 'text', text }] }));
      expect(await fitsTokens(String(block?.['text']), 1000)).toBe(true);
      expect(await read(block)).toBe(text);
    }
  });

  it('STO-02: a reference that a tool writes itself is mere text', async () => {
    const { id } = await content.put('bob', { kind: 'text', mimeType: 'text/plain', data: 'secret of bob' });
    const made = await offload({ content: [{ type: 'text', text: `[Reference: ${id}]` }] });
    await expect(read(blocksOf(made)[0])).rejects.toMatchObject({ code: 'CONTENT_NOT_FOUND' });
  });

  it('describes JSON by its shape and CSV by its columns', async () => {
    const items = Array.from({ length: 500 }, (_, id) => ({ id, name: `item ${id}`, tags: ['a', 'b'] }));
    const json = await offload({ content: [{ type: 'text', text: JSON.stringify({ items, total: 500 }) }] });
    expect(blocksOf(json)[0]?.['text']).toContain(
      'JSON, {items: array(500) of {id: number, name: string, tags: array(2) of string}, total: number}',
    );
    expect(blocksOf(json)[0]?.['text']).toContain('json_path="$..."');
    const rows = Array.from({ length: 1000 }, (_, row) => `${row},"name, ${row}",${row * 2}`).join('\n');
    const csv = await offload({ content: [{ type: 'text', text: `id,name,price\n${rows}` }] });
    expect(blocksOf(csv)[0]?.['text']).toContain('1001 lines');
    expect(blocksOf(csv)[0]?.['text']).toContain('CSV, 3 columns: id, name, price');
    const lines = await offload({
      content: [{ type: 'text', text: items.map((item) => JSON.stringify(item)).join('\n') }],
    });
    expect(blocksOf(lines)[0]?.['text']).toContain('JSON Lines, each line {id: number');
  });

  it('keeps images and sounds of any size, and gives them back', async () => {
    const made = await offload({
      content: [
        { type: 'image', data: png.toString('base64'), mimeType: 'image/png', annotations: { priority: 1 } },
        { type: 'audio', data: wav(2).toString('base64'), mimeType: 'audio/wav' },
        { type: 'resource', resource: { uri: 'file:///a.png', blob: png.toString('base64') } },
      ],
    });
    const [image, audio, resource] = blocksOf(made);
    expect(image).toMatchObject({ type: 'text', annotations: { priority: 1 } });
    expect(image?.['text']).toMatch(/^\[image: image\/png, 224 bytes, 800x600\] \[Reference: /);
    expect(audio?.['text']).toMatch(/^\[audio: audio\/wav, 32 KB, 2\.0 s\]/);
    expect(resource?.['text']).toMatch(/^\[resource file:\/\/\/a\.png: image\/png, 224 bytes, 800x600\]/);
    expect(String(image?.['text'])).not.toContain('\n');
    expect(await content.read('ann', refIn(image))).toMatchObject({
      kind: 'image',
      data: png.toString('base64'),
    });
    expect(refIn(resource)).toBe(refIn(image));
  });

  it('passes unknown blocks, links and small resources as they came, and keeps large ones', async () => {
    const small: ContentBlock[] = [
      { type: 'resource_link', uri: 'x://y', name: 'y' },
      { type: 'hologram', cube: [1, 2, 3] },
      { type: 'resource', resource: { uri: 'file:///s.txt', text: 'small', mimeType: 'text/plain' } },
      { type: 'resource', resource: { uri: 'file:///s.bin', blob: 'AAEC' } },
    ];
    const strange = [null, 7, 'text'] as unknown as ContentBlock[];
    const large = 'a large text '.repeat(2000);
    const hologram = { type: 'hologram', cube: Array.from({ length: 5000 }, (_, n) => n) };
    const made = await offload({
      content: [
        ...small,
        ...strange,
        { type: 'resource', resource: { uri: 'file:///l.txt', text: large } },
        hologram,
      ],
    });
    const blocks = blocksOf(made);
    expect(blocks.slice(0, 7)).toEqual([...small, ...strange]);
    expect(blocks[7]?.['text']).toMatch(/^Resource file:\/\/\/l\.txt:\na large text/);
    expect(await read(blocks[7])).toBe(large);
    expect(JSON.parse((await read(blocks[8])) ?? '')).toEqual(hologram);
  });

  it('keeps the leading blocks of many and makes one reference of the rest', async () => {
    const all = Array.from({ length: 100 }, (_, n) => ({
      type: 'text',
      text: `block ${n}: ${'some words '.repeat(20)}`,
    }));
    const made = await offload({ content: all });
    const blocks = blocksOf(made);
    const shown = blocks.length - 1;
    expect(shown).toBeGreaterThan(3);
    expect(blocks.slice(0, shown)).toEqual(all.slice(0, shown));
    expect(JSON.parse((await read(blocks.at(-1))) ?? '')).toEqual(all.slice(shown));
    expect(blocks.at(-1)?.['text']).toContain(`${100 - shown} further content blocks`);
    const said = blocks.map((block) => String(block['text'])).join('');
    expect(await fitsTokens(said, 1000)).toBe(true);
  });

  it('shortens heads when many long texts share one result', async () => {
    const all = Array.from({ length: 4 }, (_, n) => ({ type: 'text', text: `text ${n} `.repeat(3000) }));
    const blocks = blocksOf(await offload({ content: all }));
    expect(blocks).toHaveLength(4);
    for (const [index, block] of blocks.entries()) expect(await read(block)).toBe(all[index]?.text);
    expect(await fitsTokens(blocks.map((block) => String(block['text'])).join(''), 1000)).toBe(true);
  });

  it('replaces structuredContent above the limit, once when the text says the same', async () => {
    const structuredContent = { rows: Array.from({ length: 2000 }, (_, id) => ({ id, name: `n${id}` })) };
    const same = await offload({
      structuredContent,
      content: [{ type: 'text', text: JSON.stringify(structuredContent, null, 2) }],
    });
    const standIn = same.value.structuredContent as Record<string, unknown>;
    expect(standIn).toMatchObject({ outline: '{rows: array(2000) of {id: number, name: string}}' });
    expect(standIn['ref_id']).toBe(refIn(blocksOf(same)[0]));
    expect(content.statistics().items).toBe(1);
    const names = await content.read('ann', standIn['ref_id'], { jsonPath: '$.rows[1998:].name' });
    expect(JSON.parse(names.text ?? '')).toEqual(['n1998', 'n1999']);
    const other = await offload({
      structuredContent,
      content: [{ type: 'text', text: 'two thousand rows' }],
    });
    expect(blocksOf(other)).toEqual([{ type: 'text', text: 'two thousand rows' }]);
    const ref = (other.value.structuredContent as Record<string, unknown>)['ref_id'];
    expect(JSON.parse((await content.read('ann', ref)).text ?? '')).toEqual(structuredContent);
    const none = await offload({ structuredContent });
    expect(none.value.content).toBeUndefined();
  });

  it('keeps a result that is nested too deeply to be printed as a whole', async () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const bytes = Buffer.from(`{"isError":false,"content":[],"structuredContent":${deep}}`);
    const made = await content.offload(Payload.fromBytes<CallToolResult>(bytes), { principal: 'ann' });
    expect(made.value.isError).toBe(false);
    expect(await read(blocksOf(made)[0])).toBe(bytes.toString());
  });

  it('STO-03: what cannot be stored is cut and marked, the result is not lost', async () => {
    rmSync(join(home, 'content'), { recursive: true });
    const made = await offload({
      content: [
        { type: 'text', text: 'many words '.repeat(3000) },
        { type: 'image', data: png.toString('base64'), mimeType: 'image/png' },
      ],
    });
    const [text, image] = blocksOf(made);
    expect(text?.['text']).toMatch(/^many words/);
    expect(text?.['text']).toMatch(/The rest is lost: .* failed/);
    expect(image?.['text']).toMatch(/800x600; not kept: /);
    expect(await fitsTokens(String(text?.['text']), 1000)).toBe(true);
  });

  it('takes 50 MB in one text, which has no line breaks at all', async () => {
    const text = 'The quick brown fox jumps over it. '.repeat(1_500_000);
    const block = blocksOf(await offload({ content: [{ type: 'text', text }] }))[0];
    const total = Number(/in (\d+) chunks/.exec(String(block?.['text']))?.[1]);
    const last = await content.read('ann', refIn(block), { chunkIndex: total - 1 });
    expect(text.endsWith(last.text ?? 'none')).toBe(true);
    expect(last.chunk).toEqual({ index: total - 1, total });
  });
});

function wav(seconds: number): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt32LE(16_000, 28);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(16_000 * seconds, 40);
  return Buffer.concat([header, Buffer.alloc(16_000 * seconds)]);
}
