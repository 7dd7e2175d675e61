import { describe, expect, it } from 'vitest';
import { parseServersFile, requireUsable } from './servers-file.js';
import { resolveSettings } from './settings.js';

const platform = { name: 'linux', homeDirectory: '/home/ada', workingDirectory: '/work' };
const parse = (text: string, environment: Record<string, string> = {}) =>
  parseServersFile('/cfg/servers.json', text, { environment, baseDirectory: '/cfg' });
const one = (entry: unknown, environment: Record<string, string> = {}) =>
  parse(JSON.stringify({ mcpServers: { s: entry } }), environment);

describe('resolveSettings', () => {
  it('has the documented defaults', () => {
    const settings = resolveSettings({}, platform);
    expect(settings).toMatchObject({
      home: '/home/ada/.local/share/mcp-runtime',
      configPath: '/home/ada/.local/share/mcp-runtime/servers.json',
      maxResultTokens: 4096,
      describeImages: true,
      queueSize: 100,
      queueWorkers: 4,
      autoStart: true,
      discovery: undefined,
    });
    expect(settings.openai.visionModel).toBe('gpt-4.1-mini');
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it('uses the data directory of each platform', () => {
    expect(resolveSettings({}, { ...platform, name: 'darwin' }).home).toBe(
      '/home/ada/Library/Application Support/mcp-runtime',
    );
    expect(resolveSettings({ XDG_DATA_HOME: '/data' }, platform).home).toBe('/data/mcp-runtime');
  });

  it('takes an empty variable for one that is not set', () => {
    expect(resolveSettings({ MAX_RESULT_TOKENS: '', DISCOVERY_URL: ' ' }, platform)).toMatchObject({
      maxResultTokens: 4096,
      discovery: undefined,
    });
  });

  it('reads numbers, words, addresses and what is on or off', () => {
    const read = (environment: Record<string, string>) => resolveSettings(environment, platform);
    expect(read({ AUTO_START: ' No ', MAX_MESSAGE_MB: ' 2 ', ENGINE_LINK: 'socket' })).toMatchObject({
      autoStart: false,
      maxMessageBytes: 2 * 1024 * 1024,
      engineLink: 'socket',
    });
    expect(read({ OPENAI_BASE_URL: ' https://x/v1 ', DIMENSIONS: '12' }).openai).toMatchObject({
      baseUrl: 'https://x/v1',
      dimensions: 12,
    });
    for (const bad of ['1.5', '0', '1e99', 'NaN', '0x', '-1', 'two'])
      expect(() => read({ MAX_RUNNING_SERVERS: bad }), bad).toThrow('whole number from 1 to 10000');
    for (const bad of ['zmq', 'Socket', 'socket '])
      expect(() => read({ ENGINE_LINK: bad }), bad).toThrow('zeromq, socket');
    for (const bad of ['x', 'file:///x', 'javascript:1', '//x'])
      expect(() => read({ OAUTH_ISSUER: bad }), bad).toThrow('OAUTH_ISSUER: expected an address');
  });

  it('names every bad variable and repeats no secret', () => {
    const bad = () =>
      resolveSettings(
        {
          MAX_RESULT_TOKENS: 'many',
          AUTO_START: 'perhaps',
          DISCOVERY_URL: 'ftp://x',
          DISCOVERY_API_KEY: 'hunter2hunter2',
        },
        platform,
      );
    expect(bad).toThrow(/MAX_RESULT_TOKENS.*/);
    expect(bad).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.not.stringContaining('hunter2') }),
    );
  });
});

describe('parseServersFile', () => {
  it('reads what clients write, with comments, trailing commas and a BOM', () => {
    const file = parse(
      '\uFEFF{ // mine\n "mcpServers": { "a": { "command": "node", "args": ["x", 1], "env": {"A": "1"}, }, }, }',
    );
    expect(file.problems).toEqual([]);
    expect(file.definitions).toMatchObject([
      {
        name: 'a',
        transport: 'stdio',
        command: 'node',
        args: ['x', '1'],
        env: { A: '1' },
        startTimeoutMs: 30_000,
        idleTimeoutMs: 600_000,
        sharing: 'shared',
      },
    ]);
  });

  it('says line and column of a syntax error', () => {
    const file = parse('{\n  "mcpServers": {\n    "a": { "command": "node" "args": [] }\n  }\n}');
    expect(file.definitions).toEqual([]);
    expect(file.problems).toMatchObject([
      { fatal: true, message: expect.stringContaining('/cfg/servers.json:3:') },
    ]);
    expect(() => requireUsable(file)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it.each([
    [{}, 'neither "command"'],
    [{ command: 'node', url: 'http://127.0.0.1/mcp' }, 'both "command" and "url"'],
    [{ comand: 'node' }, 'did you mean "command"'],
    [{ command: 'node', type: 'sse' }, 'its type is "sse"'],
    [{ url: 'file:///etc/passwd' }, 'url'],
    [{ command: 'node', timeout: -1 }, 'timeout'],
    [{ command: '${env:NOT_THERE}' }, 'NOT_THERE is not set'],
    ['node x.js', 'must be an object'],
  ])('refuses %j and says why; the rest stays', (entry, why) => {
    const file = parse(JSON.stringify({ mcpServers: { good: { command: 'node' }, bad: entry } }));
    expect(file.definitions.map((definition) => definition.name)).toEqual(['good']);
    expect(file.problems).toMatchObject([expect.anything(), ...file.problems.slice(1)]);
    expect(file.problems.map((problem) => problem.message).join(' ')).toContain(why);
    expect(file.problems.every((problem) => problem.server === 'bad')).toBe(true);
  });

  it('warns of an unknown key and goes on; keys of other clients are no mistake', () => {
    const file = one({ command: 'node', timout: 5, autoApprove: ['x'] });
    expect(file.definitions).toHaveLength(1);
    expect(file.problems).toMatchObject([
      { fatal: false, message: expect.stringContaining('"timout" is not known (did you mean "timeout"?)') },
    ]);
  });

  it('fills placeholders from the environment and tells what a server needs', () => {
    const file = one(
      { command: 'node', args: ['${HERE:-there}'], env: { TOKEN: '${env:MY_TOKEN}' } },
      { MY_TOKEN: 't' },
    );
    expect(file.definitions).toMatchObject([
      { args: ['there'], env: { TOKEN: 't' }, needs: ['HERE', 'MY_TOKEN'] },
    ]);
  });

  it('tells the kinds of remote servers apart, and skips ignored ones', () => {
    const file = parse(
      JSON.stringify({
        mcpServers: {
          a: { url: 'http://127.0.0.1:1/mcp' },
          b: { type: 'sse', url: 'http://127.0.0.1:1/sse', headers: { X: 1 } },
          c: { command: 'x', ignore: true },
        },
      }),
    );
    expect(file.definitions).toMatchObject([
      { name: 'a', transport: 'streamable-http' },
      { name: 'b', transport: 'sse', headers: { X: '1' } },
    ]);
  });

  it('keeps names that mean something to JavaScript', () => {
    const file = parse('{"mcpServers": {"__proto__": {"command": "a"}, "constructor": {"command": "b"}}}');
    expect(file.definitions.map((definition) => definition.name)).toContain('constructor');
    expect(({} as Record<string, unknown>)['command']).toBeUndefined();
  });
});
