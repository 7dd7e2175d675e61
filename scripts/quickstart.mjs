// A model's whole path on real servers, over a real MCP connection: what a client does when a model works with
// mcp-runtime. Everything happens in a temporary directory; nothing of it stays.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const server = (name) =>
  join(project, 'node_modules/@modelcontextprotocol', `server-${name}`, 'dist/index.js');
const begun = Date.now();

const dim = (text) => (process.stdout.isTTY ? `\u001b[2m${text}\u001b[0m` : text);
const bold = (text) => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);
const step = (text) => console.log(`\n${bold(`> ${text}`)}`);

const work = await mkdtemp(join(tmpdir(), 'mcp-runtime-quickstart-'));
let client;
try {
  await prepare();
  client = new Client({ name: 'quickstart', version: '1.0.0' });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [join(project, 'dist/bin.js'), 'serve'],
      env: {
        PATH: process.env.PATH ?? '',
        HOME: work,
        MCP_RUNTIME_HOME: join(work, 'home'),
        MCP_RUNTIME_CONFIG: join(work, 'servers.json'),
        ENGINE_IDLE_TIMEOUT: '5',
      },
    }),
  );
  await walk();
} finally {
  await client?.close();
  await stopEngine();
  await rm(work, { recursive: true, force: true, maxRetries: 5 });
}
console.log(
  `\n${bold('Done')} in ${((Date.now() - begun) / 1000).toFixed(1)} s. To use it in Claude Desktop, Cline or Cursor, put this into the client's config:`,
);
console.log(
  JSON.stringify(
    {
      mcpServers: {
        'mcp-runtime': { command: process.execPath, args: [join(project, 'dist/bin.js'), 'serve'] },
      },
    },
    null,
    2,
  ),
);
console.log(
  'and your servers, in the form clients already use, into the file that `node dist/bin.js doctor` names.',
);

async function prepare() {
  const lines = Array.from({ length: 4000 }, (_, i) =>
    i === 2711
      ? '2026-01-15 12:34:56 ERROR disk nearly full on volume data-7'
      : `2026-01-15 12:00:00 INFO request ${i} served in ${(i * 37) % 90} ms`,
  );
  await writeFile(join(work, 'service.log'), lines.join('\n'));
  await writeFile(
    join(work, 'servers.json'),
    JSON.stringify({
      mcpServers: {
        everything: { command: process.execPath, args: [server('everything')] },
        filesystem: {
          command: process.execPath,
          args: [server('filesystem'), work],
          hints: ['files of the quickstart'],
        },
        memory: {
          command: process.execPath,
          args: [server('memory')],
          env: { MEMORY_FILE_PATH: join(work, 'memory.jsonl') },
        },
      },
    }),
  );
}

async function walk() {
  const { tools } = await client.listTools();
  step('What the model sees of three servers');
  console.log(`${tools.length} tools: ${tools.map((tool) => tool.name).join(', ')}`);

  step('The servers are learnt in the background, once');
  for (;;) {
    const { structuredContent } = await client.callTool({ name: 'get_statistics', arguments: {} });
    if (structuredContent.learning.waiting === 0 && structuredContent.tools > 0) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await say('list_servers', {});

  step('It needs something, and says it in plain words');
  await say('search_tools', { query: 'read a text file from disk', limit: 3 });

  step('It looks at how that is called');
  await say('get_tool_details', { server_name: 'filesystem', tool_name: 'read_text_file' }, 700);

  step('It calls a tool; the server starts by itself');
  await say('execute_tool', {
    server_name: 'everything',
    tool_name: 'echo',
    arguments: { message: 'hello from the quickstart' },
  });

  step('A second server, with something to remember');
  await say('execute_tool', {
    server_name: 'memory',
    tool_name: 'create_entities',
    arguments: { entities: [{ name: 'Ada', entityType: 'person', observations: ['likes short answers'] }] },
  });

  step('Long work goes to the background, and is asked after');
  const queued = await say('execute_tool', {
    server_name: 'everything',
    tool_name: 'trigger-long-running-operation',
    arguments: { duration: 2, steps: 4 },
    in_background: true,
  });
  const task = queued.structuredContent.task_id;
  await say('poll_task_result', { task_id: task });
  await say('poll_task_result', { task_id: task, wait: 30 });

  step('A result too large for the context stays outside it');
  const large = await say(
    'execute_tool',
    {
      server_name: 'filesystem',
      tool_name: 'read_text_file',
      arguments: { path: join(work, 'service.log') },
    },
    900,
  );
  const ref = /\[Reference: ([0-9a-f-]{36})\]/.exec(JSON.stringify(large.content))?.[1];
  if (!ref) throw new Error('the large result carries no reference');

  step('It reads only the part it needs');
  await say('get_content', { ref_id: ref, search: 'ERROR' });

  step('What runs now, and shutting it down');
  await say('list_running_servers', {});
  for (const name of ['everything', 'filesystem', 'memory'])
    await say('manage_server', { server_name: name, action: 'shutdown' });
}

async function say(name, args, most = 1200) {
  console.log(dim(`${name} ${JSON.stringify(args)}`));
  const result = await client.callTool({ name, arguments: args });
  const text = (result.content ?? []).map((block) => block.text ?? `[${block.type}]`).join('\n');
  console.log(
    text.length > most ? `${text.slice(0, most)}\n${dim(`... ${text.length - most} more characters`)}` : text,
  );
  if (result.isError) throw new Error(`${name} failed`);
  return result;
}

/** The engine outlives its clients for a while; here it has nothing more to do. */
async function stopEngine() {
  const { spawn } = await import('node:child_process');
  await new Promise((resolve) => {
    spawn(process.execPath, [join(project, 'dist/bin.js'), 'engine', 'stop', '--home', join(work, 'home')], {
      stdio: 'ignore',
    }).once('exit', resolve);
  });
}
