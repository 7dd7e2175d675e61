import { describe, expect, it } from 'vitest';
import { addressProblems, programProblems } from './launch-rules.js';

const problems = (line: string, env: Record<string, string> = {}) => {
  const [command = '', ...args] = line.split(' ');
  return programProblems({ command, args, env });
};

describe('IDX-03: what an index may have run', () => {
  it.each([
    'npx -y @modelcontextprotocol/server-everything stdio -c x',
    'npx -y -p @scope/pkg some-bin --eval x',
    'npx --package=@scope/pkg some-bin'.replace('=', ' '),
    'bunx mcp-x',
    'bun x mcp-x',
    'npm exec -- mcp-x',
    'npm exec -y -- mcp-x --call x',
    'npm exec -y mcp-x stdio',
    'npx -y mcp-x --call x',
    'npx -y -p @scope/pkg @scope/find',
    'uvx mcp-x==1.2 --port 1',
    'uvx mcp-x[extra]@1.2',
    'pnpm dlx mcp-x',
    'uvx mcp-server-git --repository /tmp',
    'uvx --from git+https://github.com/owner/name mcp-x',
    'uv run --directory /opt/x mcp-x',
    'uv --directory /opt/x run server.py',
    'uv tool run mcp-x',
    'pipx run mcp-x',
    'node /opt/server.mjs --import x',
    'node --no-warnings --max-old-space-size=512 /opt/server.mjs',
    '/usr/local/bin/node20 /opt/server.mjs',
    '/usr/bin/python3.11 -u -m mcp_server',
    'python /opt/server.py -c x',
    'C:\\Python311\\python.exe C:\\servers\\x.py',
    'docker run -i --rm -e GITHUB_TOKEN --name gh ghcr.io/github/github-mcp-server -v',
    'deno run -A npm:mcp-x',
    'java -Xmx512m -jar /opt/x.jar',
    'go run github.com/owner/name@latest',
    'mcp-server-git',
    'github-mcp-server stdio',
    '/opt/vendor/bin/server',
  ])('%s', (line) => {
    expect(problems(line, { API_KEY: 'x', PYTHONUNBUFFERED: '1', GITHUB_TOKEN: 'y' })).toEqual([]);
  });

  it.each([
    'sh -c x',
    '/usr/bin/env node x',
    'BASH.EXE -c x',
    'bash5.2 -c x',
    'cmd /c npx x',
    './x',
    '../x',
    'bin/x',
    '~/x',
    '.\\x',
    'C:x.exe',
    '\\\\host\\share\\x.exe',
    '//host/share/x',
    'rm -rf /',
    '/bin/rm -rf /',
    '/usr/local/../bin/rm -rf /',
    'C:\\Windows\\System32\\mshta.exe x',
    'node -e x',
    'node -pe x',
    'node --eval=x',
    'node -r /opt/x.js /opt/y.js',
    'node --import x /opt/y.js',
    'node --experimental-loader=x /opt/y.js',
    'node --env-file=/x /opt/y.js',
    'node -C x -e y',
    'node',
    'node -',
    'node server.mjs',
    'node ./server.mjs',
    'nodejs18 -e x',
    'python3 -c x',
    'python3.11 -uc x',
    'python -m ./x',
    'python server.py',
    'npx -y -c x',
    'npx --call=x',
    'npx --registry=http://evil mcp-x',
    'npx --userconfig /x mcp-x',
    'npx -y ./mcp-x',
    'npx -y file:../mcp-x',
    'npx -p ../mcp-x x',
    'npx',
    'npm run x',
    'npx -y -p mcp-x sh -c x',
    'npx -y -p mcp-x /bin/sh -c x',
    'npx -y -p mcp-x node -e x',
    'npx -y node@22 -e x',
    'npx -y -p mcp-x rm -rf /x',
    'pnpm dlx -p mcp-x bash -c x',
    'bunx -p mcp-x sh -c x',
    'uvx --from mcp-x bash -c x',
    'uv tool run --from mcp-x bash -c x',
    'uv run rm -rf /x',
    'uv run git -c alias.x=!x x',
    '/opt/homebrew/bin/git -c alias.x=!x x',
    'npm exec mcp-x --call x',
    'npm exec -y mcp-x --script-shell=/x',
    'npm exec mcp-x -c x -- y',
    'python -m timeit x',
    'python3 -u -m pdb -c x',
    'uv run python -m timeit x',
    'python -m pip install x',
    'npm exec -c x',
    'uvx --index-url http://evil mcp-x',
    'uvx --from ./x mcp-x',
    'uv run bash -c x',
    'uv run python -c x',
    'uv run ./x.sh',
    'uv pip install x',
    'uv --directory ../x run mcp-x',
    'docker run -v /:/host x',
    'docker run --volume=/:/host x',
    'docker run -itv /:/host x',
    'docker run --mount type=bind,src=/,dst=/h x',
    'docker run --privileged x',
    'docker run --network host x',
    'docker run --net=host x',
    'docker run --network container:db x',
    'docker run --pid=host x',
    'docker run --cap-add ALL x',
    'docker run --device /dev/sda x',
    'docker run --security-opt seccomp=unconfined x',
    'docker -H tcp://evil run x',
    'docker exec db x',
    'deno eval x',
    'deno run -A server.ts',
    'deno run --allow-all ./server.ts',
    'bun -e x',
    'bun run server.ts',
    'go run .',
    'java -javaagent:/x.jar -jar /y.jar',
    'ruby -e x',
    'perl -Mx /y',
    'php -r x',
  ])('not: %s', (line) => {
    expect(problems(line)).not.toEqual([]);
  });

  it.each([
    'NODE_OPTIONS',
    'node_options',
    'LD_PRELOAD',
    'LD_ANYTHING',
    'DYLD_INSERT_LIBRARIES',
    'PYTHONPATH',
    'PYTHONSTARTUP',
    'PERL5OPT',
    'RUBYOPT',
    'JAVA_TOOL_OPTIONS',
    'BASH_ENV',
    'ENV',
    'PATH',
    'Path',
    'npm_config_registry',
    'GoFlags',
    'GOPROXY',
    'CONTAINERS_CONF',
    '_PYTHON_SYSCONFIGDATA_NAME',
    'SSL_CERT_FILE',
    'XDG_CONFIG_DIRS',
    'NPM_CONFIG_SCRIPT_SHELL',
    'NODE_PATH',
    'PIP_INDEX_URL',
    'UV_INDEX_URL',
    'GIT_SSH_COMMAND',
    'BASH_FUNC_x%%',
    'A=B',
    '',
    'A B',
    'MCP_RUNTIME_HOME',
  ])('not: the variable %j', (name) => {
    expect(problems('npx mcp-x', { [name]: 'x' })).toHaveLength(1);
  });

  it('names each thing that is wrong', () => {
    expect(problems('sh -c x', { PATH: 'x', LD_PRELOAD: 'y' })).toHaveLength(3);
  });
});

describe('IDX-03: where an index may have it connect', () => {
  it.each(['https://example.com/mcp', 'http://localhost:3845/mcp', 'http://192.168.1.5:8000/mcp'])(
    '%s',
    (url) => {
      expect(addressProblems(url, { Authorization: 'Bearer x', 'X-Key': 'y' })).toEqual([]);
    },
  );

  it.each([
    'x',
    'ftp://example.com',
    'file:///etc/passwd',
    'javascript:0',
    'https://u:p@example.com',
    'http://169.254.169.254/',
    'http://0xa9fea9fe/',
    'http://[fe80::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://[64:ff9b::169.254.169.254]/',
    'http://[::169.254.169.254]/',
    'http://100.100.100.200/',
    'http://metadata.goog./',
    'http://metadata.google.internal/',
  ])('not: %s', (url) => {
    expect(addressProblems(url, {})).toHaveLength(1);
  });

  it.each([
    { Host: 'x' },
    { 'Content-Length': '1' },
    { 'a b': 'x' },
    { a: 'x\r\ny' },
    { 'Mcp-Session-Id': 'x' },
  ])('not: %j', (headers) => {
    expect(addressProblems('https://example.com', headers as unknown as Record<string, string>)).toHaveLength(
      1,
    );
  });
});
