import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { bin, good, project, workplace } from '../support/runtime.js';

const inspector = join(
  project,
  'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js',
);
const run = promisify(execFile);

/** The official Inspector as an independent client. */
async function inspect(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ result?: unknown; [key: string]: unknown }> {
  const { stdout } = await run(process.execPath, [inspector, '--cli', ...args, '-q'], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    maxBuffer: 16 * 1_048_576,
  });
  return JSON.parse(stdout.slice(stdout.indexOf('{'))) as { [key: string]: unknown };
}

describe('the Inspector lists and calls the tools', () => {
  const at = workplace();
  let child: ChildProcess | undefined;
  afterEach(async () => {
    if (!child) return;
    const exited = new Promise((resolve) => child?.once('exit', resolve));
    child.kill('SIGTERM');
    await exited;
    child = undefined;
  });

  const call = [
    '--method',
    'tools/call',
    '--tool-name',
    'execute_tool',
    '--tool-args-json',
    JSON.stringify({ server_name: 'good', tool_name: 'echo', arguments: { text: 'seen' } }),
  ];

  it('over stdio', async () => {
    at().servers({ good: good() });
    const settings = ['MCP_RUNTIME_HOME', 'MCP_RUNTIME_CONFIG'].flatMap((name) => [
      '-e',
      `${name}=${at().env[name]}`,
    ]);
    const command = [...settings, process.execPath, bin, 'serve', '--engine', 'embedded'];
    const listed = JSON.stringify(await inspect([...command, '--method', 'tools/list']));
    for (const name of ['search_tools', 'execute_tool', 'get_content', 'list_tasks'])
      expect(listed).toContain(`"${name}"`);
    expect(JSON.stringify(await inspect([...command, ...call]))).toContain('"text":"seen"');
  }, 60_000);

  it.each(['legacy', 'modern'])(
    'over streamable HTTP, %s era',
    async (era) => {
      at().servers({ good: good() });
      child = spawn(
        process.execPath,
        [bin, 'serve', '--engine', 'embedded', '--transport', 'http', '--port', '0'],
        { env: at().env, stdio: ['ignore', 'ignore', 'pipe'] },
      );
      const url = await new Promise<string>((resolve, reject) => {
        let said = '';
        child?.once('exit', () => reject(new Error(said)));
        child?.stderr?.on('data', (chunk: Buffer) => {
          said += chunk.toString('utf8');
          const found = /listens on (\S+\/mcp)/.exec(said)?.[1];
          if (found) resolve(found);
        });
      });
      const remote = ['--transport', 'http', '--server-url', url, '--protocol-era', era];
      expect(JSON.stringify(await inspect([...remote, '--method', 'tools/list']))).toContain(
        '"search_tools"',
      );
      expect(JSON.stringify(await inspect([...remote, ...call]))).toContain('"text":"seen"');
    },
    60_000,
  );
});
