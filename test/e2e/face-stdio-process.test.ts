import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, expectNoProcess, fixture, uniqueMarker } from '../support/processes.js';

const marker = uniqueMarker();
afterEach(() => expectNoProcess(marker));

function startProcess() {
  const child = spawn(process.execPath, [fixture('face-stdio.mjs')], {
    env: { ...process.env, [marker.name]: marker.value },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('latin1');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  child.stdin.on('error', () => {});
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const call = (id: number, tool: string, args: Record<string, unknown> = {}) =>
    child.stdin.write(
      `${JSON.stringify({
        jsonrpc: '2.0',
        id,
        method: 'tools/call',
        params: { name: 'execute_tool', arguments: { server_name: 's', tool_name: tool, arguments: args } },
      })}\n`,
    );
  return { child, exited, call, stdout: () => stdout, stderr: () => stderr };
}

describe('the stdio face as a process', () => {
  it('writes nothing but JSON-RPC to stdout, also for bad input and a result of 20 MB, and ends with stdin', async () => {
    const { child, exited, call, stdout, stderr } = startProcess();
    child.stdin.write('nonsense\n[]\n{"jsonrpc":"2.0","id":7,"method":"nope"}\n');
    call(1, 'text', { bytes: 20_000_000 });
    call(2, 'text');
    call(3, 'hang');
    await eventually(() => stdout().includes('"id":2') && stderr().includes('WAITING'), 15_000);
    await eventually(() => stdout().length > 20_000_000 && stdout().endsWith('\n'), 15_000);
    child.stdin.end();
    expect(await exited).toBe(0);
    expect(stderr()).toContain('ABORTED');
    expect(stderr()).toContain('DETACHED');
    expect(stderr()).toContain('CLOSED');
    const messages = stdout()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { jsonrpc: string; id: unknown });
    expect(messages.every((message) => message.jsonrpc === '2.0')).toBe(true);
    expect(messages.map((message) => message.id)).toEqual(expect.arrayContaining([null, 7, 1, 2]));
  });

  it('CLI-03: ends when its reader is gone, without a stack', async () => {
    const { child, exited, call, stdout, stderr } = startProcess();
    call(1, 'text');
    await eventually(() => stdout().includes('"id":1'));
    child.stdout.destroy();
    call(2, 'text', { bytes: 1_000_000 });
    await eventually(() => stderr().includes('CLOSED'));
    child.stdin.end();
    expect(await exited).toBe(0);
    expect(stderr()).not.toMatch(/EPIPE|\bat /);
  });
});

describe('the import graph of the stdio face', () => {
  it('has no HTTP in it, so that start-up does not pay for it', () => {
    const root = fileURLToPath(new URL('../../src/', import.meta.url));
    const seen = new Set<string>();
    const packages = new Set<string>();
    const visit = (file: string) => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [statement, from] of readFileSync(file, 'utf8').matchAll(
        /^(?:import|export)[^;]*? from '([^']+)';/gms,
      )) {
        if (from === undefined || /^import type\b/.test(statement)) continue;
        if (from.startsWith('.')) visit(join(dirname(file), from.replace(/\.js$/, '.ts')));
        else packages.add(from);
      }
    };
    visit(join(root, 'mcp/serve-stdio.ts'));
    visit(join(root, 'mcp/face.ts'));
    expect([...seen].filter((file) => file.startsWith(join(root, 'http')))).toEqual([]);
    expect([...packages].sort()).toEqual(
      [
        '@modelcontextprotocol/server',
        '@modelcontextprotocol/server/stdio',
        'node:buffer',
        'node:crypto',
        'node:process',
        'pino',
        'zod',
      ].filter((name) => packages.has(name)),
    );
  });
});
