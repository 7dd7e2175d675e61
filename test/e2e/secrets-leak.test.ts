import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hostile, pidsWith } from '../support/processes.js';
import { rawClient } from '../support/raw-client.js';
import { bin, type CallResult, node, textOf, workplace } from '../support/runtime.js';
import { canary, leaksIn, leaksUnder, runWith } from '../support/secrets.js';

const set = (name: string, value: string, env: Record<string, string>) =>
  runWith(`${value}\n`, ['secret', 'set', name], env);
const dumpOf = (result: CallResult) => JSON.parse(textOf(result).split('\n')[0] ?? '{}') as Dump;

interface Dump {
  env: Record<string, string>;
  argv: string[];
  fds: [number, string][];
  parentCmdline: string[] | string;
}

describe('SEC-03: what a server sees', () => {
  const place = workplace();

  it('its own secrets and what every program needs; nothing of others, of ours, or of the engine', async () => {
    const [own, others, master] = [canary('own'), canary('others'), canary('master')];
    const { env, home, servers, client } = place();
    await set('OWN', own, env);
    await set('OTHERS', others, env);
    servers({
      one: { ...node(hostile('env-dump')), env: { TOKEN: 'Bearer ${secret:OWN}' } },
      two: { ...node(hostile('env-dump')), env: { KEY: '${secret:OTHERS}' } },
    });
    const given = {
      MCP_RUNTIME_TOKEN: master,
      ENCRYPTION_KEY: 'k'.repeat(40),
      OPENAI_API_KEY: master,
      CANARY: master,
    };
    const one = await client({ env: given });
    const told = textOf(await one.execute('one', 'dump'));
    const { env: seen, fds, argv } = JSON.parse(told.split('\n')[0] ?? '{}') as Dump;
    // Seen by the server as it is, and masked on its way to the model.
    expect(seen['TOKEN']).toBe('Bearer [secret OWN]');
    expect(leaksIn(told, [own, others, master])).toEqual([]);
    for (const name of Object.keys(given)) expect(seen).not.toHaveProperty(name);
    expect(seen).not.toHaveProperty('KEY');
    expect(JSON.stringify(seen)).not.toContain('kkkkkkkk');
    const inherited = fds.filter(
      ([fd, link]) => fd > 2 && !/^\/proc\/|eventpoll|eventfd|^pipe:|^anon_inode/.test(link),
    );
    expect(inherited.filter(([, link]) => link.startsWith(home) || link.startsWith('socket:'))).toEqual([]);
    expect(leaksIn(argv.join(' '), [own])).toEqual([]);

    // What everybody at this machine can read: the arguments of all processes.
    await one.execute('two', 'dump');
    const commands = readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        } catch {
          return '';
        }
      });
    expect(pidsWith(place().marker).length).toBeGreaterThan(1);
    expect(leaksIn(commands.join('\n'), [own, others, master])).toEqual([]);
  });

  it('a container is told names, and finds the values in the environment of its program', async () => {
    const value = canary('container');
    const { env, folder, servers, client } = place();
    await set('OWN', value, env);
    // A docker that is none: it runs the server that its image stands for.
    const docker = join(folder, 'docker');
    const script = `#!${process.execPath}\nprocess.argv.splice(2, process.argv.length, ...process.argv.slice(2));\nawait import(${JSON.stringify(hostile('env-dump'))});\n`;
    writeFileSync(docker, script, { mode: 0o755 });
    servers({
      boxed: {
        command: docker,
        args: ['run', '-i', '--rm', '-e', 'TOKEN=${secret:OWN}', '--env=PLAIN=1', 'image'],
      },
    });
    const one = await client();
    const { argv, env: seen } = dumpOf(await one.execute('boxed', 'dump'));
    expect(argv.slice(argv.indexOf('run'))).toEqual(
      expect.arrayContaining(['-e', 'TOKEN', '--env=PLAIN=1', 'image']),
    );
    expect(argv.join(' ')).not.toMatch(/TOKEN=/);
    expect(seen['TOKEN']).toBe('[secret OWN]');
  });
});

describe('SEC-04: a server that says its secret', () => {
  const place = workplace({ engine: 'shared' });
  const HOWS = [
    'plain',
    'json',
    'base64',
    'basic',
    'hex',
    'url',
    'err',
    'iserror',
    'stderr',
    'log',
    'progress',
    'structured',
    'big',
    'ask',
    'die',
  ];

  it('is heard by nobody: results, errors, tasks, content, news, logs and everything on disk', async () => {
    const [stored, written] = [canary('stored'), canary('written')];
    const secrets = [stored, written];
    const { env, home, folder, servers, client, command } = place();
    await set('STORED', stored, env);
    servers({
      echo: { ...node(hostile('secret-echo'), 'in-description'), env: { SECRET: '${secret:STORED}' } },
      literal: {
        ...node(hostile('secret-echo')),
        env: { SECRET: '${env:WRITTEN}', API_SECRET: '${env:WRITTEN}' },
      },
    });
    const heard: string[] = [];
    const one = await client({ env: { LOG_LEVEL: 'debug', WRITTEN: written } });
    one.sdk.fallbackNotificationHandler = async (notification) => {
      heard.push(JSON.stringify(notification));
    };
    await one.sdk.setLoggingLevel('debug').catch(() => {});
    for (const server of ['echo', 'literal']) {
      for (const how of HOWS) {
        const answer = await one.execute(server, 'leak', { how }).catch((error: unknown) => String(error));
        heard.push(JSON.stringify(answer));
      }
      const { structuredContent: task } = await one.execute(
        server,
        'leak',
        { how: 'plain' },
        { in_background: true },
      );
      const { structuredContent: big } = await one.execute(
        server,
        'leak',
        { how: 'big' },
        { in_background: true },
      );
      for (const { task_id } of [task, big])
        heard.push(JSON.stringify(await one.call('poll_task_result', { task_id, wait: 20 })));
      heard.push(
        JSON.stringify(await one.call('get_tool_details', { server_name: server, tool_name: 'leak' })),
      );
      heard.push(JSON.stringify(await one.call('get_server_info', { server_name: server })));
    }
    // What was kept outside of the context is read as well.
    const refs = [...heard.join('\n').matchAll(/Reference: ([0-9a-f-]{36})/g)].map((match) => match[1]);
    expect(refs.length).toBeGreaterThan(0);
    for (const ref_id of new Set(refs))
      heard.push(JSON.stringify(await one.call('get_content', { ref_id, chunk_index: 0 })));
    for (const name of ['list_servers', 'list_running_servers', 'get_statistics', 'list_tasks'])
      heard.push(JSON.stringify(await one.call(name)));
    for (const args of [
      ['ps'],
      ['tools'],
      ['secret', 'list'],
      ['doctor'],
      ['engine', 'logs', '--lines', '10000'],
    ])
      heard.push(JSON.stringify(await command(...args)));

    expect(heard.join('\n')).toContain('[secret STORED]');
    expect(leaksIn(heard.join('\n'), secrets)).toEqual([]);
    // The engine is killed, so that nothing is tidied up first; then all it ever wrote is looked through.
    const { engine } = (await command('ps')) as unknown as { engine: { pid: number } };
    process.kill(engine.pid, 'SIGKILL');
    await expect.poll(() => leaksUnder(home, secrets), { timeout: 5_000 }).toEqual([]);
    expect(leaksUnder(folder, secrets)).toEqual([]);
    expect(readFileSync(join(home, 'engine', 'engine.log'), 'utf8').length).toBeGreaterThan(0);
  });
});

describe('a secret that is missing', () => {
  const place = workplace();
  const entry = () => ({ needy: { ...node(hostile('env-dump')), env: { TOKEN: '${secret:ASKED}' } } });

  /** What the person does at the page. */
  const enter = async (message: string, value: string) => {
    const url = /http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}/.exec(message)?.[0] ?? '';
    const page = await (await fetch(url)).text();
    expect(page).toMatch(/needy.*ASKED/s);
    const foreign = await fetch(url, {
      method: 'POST',
      headers: { origin: 'https://evil.example' },
      body: 'value=x',
    });
    expect(foreign.status).toBe(403);
    expect((await fetch(`${url.slice(0, -1)}`)).status).toBe(404);
    expect(
      (await fetch(url, { method: 'POST', body: new URLSearchParams({ value: '********' }) })).status,
    ).toBe(400);
    const taken = await fetch(url, { method: 'POST', body: new URLSearchParams({ value }) });
    expect(taken.status).toBe(200);
    return url;
  };

  it.each(['url', 'form'] as const)('is asked for by elicitation (%s), never in a form', async (mode) => {
    const value = canary('asked');
    const { servers, home, env: given } = place();
    servers(entry());
    const asked: string[] = [];
    let url = '';
    const one = await rawClient([process.execPath, bin, 'serve', '--engine', 'embedded'], {
      env: given,
      capabilities: { elicitation: { [mode]: {} } },
      answers: {
        'elicitation/create': async (params) => {
          asked.push(JSON.stringify(params));
          url = await enter(String(params['url'] ?? params['message']), value);
          return { action: 'accept', ...(mode === 'form' ? { content: {} } : {}) };
        },
      },
    });
    const params = {
      name: 'execute_tool',
      arguments: { server_name: 'needy', tool_name: 'dump', arguments: {} },
    };
    // Learning it has failed; a moment later a call may try again.
    const call = async () => (await one.request('tools/call', params)).result as CallResult;
    const isAnswered = async () => (await call()).isError !== true;
    await expect.poll(isAnswered, { timeout: 20_000, interval: 500 }).toBe(true);
    const { env } = dumpOf(await call());
    expect(env['TOKEN']).toBe('[secret ASKED]');
    expect(asked).toHaveLength(1);
    expect(asked.join('')).not.toContain('"type":"string"');
    expect(leaksUnder(home, [value])).toEqual([]);
    // The page is gone with the question.
    await expect(fetch(url)).rejects.toThrow();
    await one.close();
  });
});
