import { isIP } from 'node:net';
import { posix, win32 } from 'node:path';
import { loadsCode } from './launch-env.js';
import { runtimeFlagProblem } from './launch-flags.js';
import { isWrapper, programName } from './launch-programs.js';
import { quoted } from './read.js';

interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Programs that fetch or run MCP servers, by the name they are called with. */
const LAUNCHERS = new Set(
  'npx npm pnpm pnpx yarn bun bunx deno node uv uvx pipx python py docker podman nerdctl java dotnet dnx go ruby perl php'.split(
    ' ',
  ),
);

const CONTAINERS = new Set(['docker', 'podman', 'nerdctl']);

const SYSTEM_DIRECTORIES = /^(\/bin|\/sbin|\/usr\/bin|\/usr\/sbin|\/dev|\/proc|[a-z]:\\windows)([/\\]|$)/i;

/** What speaks against running a program because an index says so; empty when nothing does. */
export function programProblems(program: Program): string[] {
  const problems: string[] = [];
  const command = commandProblem(program.command);
  if (command !== undefined) problems.push(command);
  for (const arg of program.args) {
    if (arg.includes('\0')) problems.push(`the argument ${quoted(arg)} holds a NUL`);
  }
  if (command === undefined) {
    const flag = runtimeFlagProblem(programName(program.command), program.args);
    if (flag !== undefined) problems.push(flag);
  }
  return [...problems, ...envProblems(program.env)];
}

/**
 * What speaks even against a program of the user's own choice that another file names: variables that decide which code
 * is loaded, and containers that open this machine.
 */
export function openingProblems({ command, args, env }: Program): string[] {
  const name = programName(command);
  const flag = CONTAINERS.has(name) ? runtimeFlagProblem(name, args) : undefined;
  return [...(flag === undefined ? [] : [flag]), ...envProblems(env)];
}

function envProblems(env: Program['env']): string[] {
  return Object.entries(env).flatMap(([name, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name))
      return [`${quoted(name)} is no name of an environment variable`];
    if (loadsCode(name)) return [`the environment variable ${name} decides which code is loaded`];
    return value.includes('\0') ? [`the value of the environment variable ${quoted(name)} holds a NUL`] : [];
  });
}

/** What speaks against connecting to an address because an index says so. */
export function addressProblems(address: string, headers: Readonly<Record<string, string>>): string[] {
  const problems: string[] = [];
  if (!URL.canParse(address)) problems.push(`${quoted(address)} is no URL`);
  else {
    const url = new URL(address);
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      problems.push(`${quoted(url.protocol)} is neither http nor https`);
    if (url.username !== '' || url.password !== '') problems.push('the URL holds a user name or password');
    if (linkLocal(url.hostname))
      problems.push(`${quoted(url.hostname)} is where clouds keep the keys of a machine`);
  }
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) problems.push(`${quoted(name)} is no name of a header`);
    else if (
      /^(host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|keep-alive|proxy-.*|mcp-.*|sec-.*)$/i.test(
        name,
      )
    ) {
      problems.push(`the header ${name} belongs to the connection`);
    }
    if (/[\0\r\n]/.test(value)) problems.push(`the value of the header ${quoted(name)} holds a line end`);
  }
  return problems;
}

function commandProblem(command: string): string | undefined {
  if (command === '' || command !== command.trim())
    return `the command ${quoted(command)} is empty or has spaces around it`;
  if (/[\p{Cc}\p{Cf}]/u.test(command)) return `the command ${quoted(command)} holds control characters`;
  const isPath =
    /[/\\]/.test(command) || /^[a-z]:/i.test(command) || command.startsWith('~') || command.startsWith('.');
  // A UNC path is absolute, and fetches the program from another machine.
  const absolute = posix.isAbsolute(command)
    ? !command.startsWith('//')
    : /^[a-z]:[/\\]/i.test(command) && win32.isAbsolute(command);
  if (isPath && !absolute)
    return `the command ${quoted(command)} is a path that depends on the directory it is started in`;
  const name = programName(command);
  if (isWrapper(name))
    return `the command ${quoted(command)} starts a shell or whatever its arguments say, or is a tool of the system`;
  const outside = isPath && !SYSTEM_DIRECTORIES.test(posix.normalize(command));
  if (outside || LAUNCHERS.has(name) || /mcp/i.test(name)) return undefined;
  return `the command ${quoted(command)} is neither a known launcher nor the name of an MCP server`;
}

function linkLocal(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (isIP(bare) === 4)
    return bare.startsWith('169.254.') || bare === '0.0.0.0' || bare === '100.100.100.200';
  if (isIP(bare) === 6)
    return (
      /^fe[89ab]/i.test(bare) ||
      bare === '::' ||
      // 169.254.x.y as it is written in IPv6: mapped, compatible, or behind NAT64.
      /:a9fe:[0-9a-f]{1,4}$/i.test(bare) ||
      /^fd00:ec2:/i.test(bare)
    );
  return /^(metadata|metadata\.goog|metadata\.google\.internal)$/.test(bare);
}
