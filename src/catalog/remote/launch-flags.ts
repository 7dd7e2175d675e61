import { posix, win32 } from 'node:path';
import { isWrapper, programName } from './launch-programs.js';
import { quoted } from './read.js';

/** A program's own flags, up to the thing it is told to run; what comes after is that thing's affair. */
interface Grammar {
  /** Flags that may stand alone. */
  readonly plain: RegExp;
  /** Flags that take the next argument. */
  readonly valued?: RegExp;
  /** Words that must come first, if any (`docker run`). */
  readonly verb?: string;
  /** What the first word that is no flag has to be: an absolute file, something to fetch, or another program. */
  readonly target: 'file' | 'package' | 'program' | RegExp;
}

// Lists of what is allowed, not of what is known to be bad: each of these programs learns new flags every year.
const node: Grammar = {
  plain:
    /^--(no-warnings|no-deprecation|enable-source-maps|use-system-ca|use-bundled-ca|disable-warning=[\w:-]+|max-old-space-size=\d+|max-http-header-size=\d+|stack-size=\d+|experimental-[\w-]*(strip-types|transform-types|sqlite|fetch|websocket|wasm-modules|vm-modules)|no-experimental-[\w-]+|)$/,
  target: 'file',
};
const python: Grammar = {
  plain: /^(-[uBsEIOqSbv]+|-X(utf8|dev|frozen_modules=\w+))$/,
  valued: /^-m$/,
  target: 'file',
};
const npx: Grammar = {
  plain:
    /^(-y|--yes|-q|--quiet|--silent|--prefer-offline|--prefer-online|--offline|--no-install|--ignore-scripts|--bun|--)$/,
  valued: /^(-p|--package)$/,
  target: 'package',
};
const uvx: Grammar = {
  plain:
    /^(-q|--quiet|--offline|--refresh|--no-cache|-n|--isolated|--no-progress|--native-tls|--no-config|--prerelease=\w+|--python=[\w.]+|--from=.+|--with=.+)$/,
  valued: /^(--from|--with|--python|-p|--prerelease|--refresh-package)$/,
  target: 'package',
};
const container: Grammar = {
  verb: 'run',
  plain:
    /^(-[itq]+|-d|--rm|--init|--interactive|--tty|--quiet|--read-only|--no-healthcheck|(--interactive|--tty|--rm|--init)=(true|false)|--(env|name|label|memory|cpus|pull|platform|workdir|user|hostname|stop-timeout|cap-drop|network|net|log-driver)=.+|-e.+)$/,
  valued:
    /^(-e|--env|--name|-l|--label|-m|--memory|--cpus|--pull|--platform|-w|--workdir|-u|--user|-h|--hostname|--stop-timeout|--cap-drop|--network|--net|--log-driver)$/,
  target: 'package',
};
const deno: Grammar = {
  verb: 'run',
  plain:
    /^(-A|-q|--quiet|--no-prompt|--no-lock|--no-config|--cached-only|--node-modules-dir(=\w+)?|--(allow|deny)-(all|net|env|read|write|sys|import)(=.+)?|-[NERWS](=.+)?|--unstable-[\w-]+)$/,
  target: /^(npm:|jsr:|https:|\/|[a-z]:[\\/])/i,
};

const uvRun: Grammar = {
  verb: 'run',
  plain: new RegExp(`${uvx.plain.source}|^--(frozen|locked|no-sync|no-dev)$`),
  valued: /^(--with|--python|-p|--directory|--project)$/,
  target: 'program',
};

const GRAMMARS: Readonly<Record<string, readonly Grammar[]>> = {
  node: [node],
  python: [python],
  py: [{ ...python, plain: /^(-3(\.\d+)?|-[uBsEIOqSbv]+)$/ }],
  npx: [npx],
  pnpx: [npx],
  bunx: [npx],
  uvx: [uvx],
  docker: [container],
  podman: [container],
  nerdctl: [container],
  deno: [deno],
  npm: [{ ...npx, verb: 'exec' }],
  pnpm: [{ ...npx, verb: 'dlx' }],
  yarn: [{ ...npx, verb: 'dlx' }],
  bun: [
    { ...npx, verb: 'x' },
    { plain: /^$/, verb: 'run', target: 'file' },
  ],
  uv: [uvRun, { ...uvx, verb: 'tool run' }],
  pipx: [{ ...uvx, plain: /^(-q|--quiet|--spec=.+)$/, valued: /^--spec$/, verb: 'run' }],
  java: [{ plain: /^(-Xm[sx]\d+[kmg]?|-D[\w.]+=[\w./:-]*|-jar)$/, target: 'file' }],
  dotnet: [{ plain: /^$/, target: 'file' }],
  dnx: [{ plain: /^(-y|--yes|--prerelease)$/, valued: /^(--version|-v)$/, target: 'package' }],
  go: [{ plain: /^$/, verb: 'run', target: /^[\w.-]+\/.+@.+/ }],
  ruby: [{ plain: /^-w$/, target: 'file' }],
  perl: [{ plain: /^-w$/, target: 'file' }],
  php: [{ plain: /^-n$/, target: 'file' }],
};

/** Modules that are there or usual with Python and take code, or a program, from arguments or input. */
const CODE_MODULES = new Set(
  `timeit code pdb bdb profile cProfile trace runpy doctest unittest zipapp ensurepip venv pip pipx uv idlelib asyncio site
  IPython ptpython bpython coverage debugpy`.split(/\s+/),
);

/** What is wrong with the flags of a launcher, or undefined. Programs that are not listed have none that are known. */
export function runtimeFlagProblem(program: string, given: readonly string[]): string | undefined {
  const grammars = GRAMMARS[program];
  if (!grammars) return undefined;
  const args = program === 'uv' ? verbFirst(given) : given;
  const grammar = grammars.find(
    ({ verb }) => verb === undefined || verb.split(' ').every((word, i) => args[i] === word),
  );
  if (!grammar)
    return `${program} may only be started with ${grammars.map(({ verb }) => quoted(verb)).join(' or ')}`;
  if (program === 'npm') {
    const own = npmFlagBehind(args);
    if (own !== undefined) return `npm would take ${quoted(own)} for itself: "--" must stand before it`;
  }
  let i = grammar.verb?.split(' ').length ?? 0;
  for (; i < args.length; i++) {
    const arg = args[i] ?? '';
    const value = args[i + 1];
    if (!arg.startsWith('-') || arg === '-') return targetProblem(grammar, program, args.slice(i));
    if (program === 'python' && arg === '-m') return moduleProblem(value);
    let problem: string | undefined;
    if (grammar.valued?.test(arg)) {
      problem = valueProblem(program, arg, value);
      i += 1;
    } else if (!grammar.plain.test(arg)) problem = `${program} may not be given ${quoted(arg)} by an index`;
    else if (arg.includes('='))
      problem = valueProblem(program, arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1));
    if (problem !== undefined) return problem;
  }
  return `${program} is not told what to run, so it would run its input`;
}

/** `uv --directory /a run b` is what the MCP documentation shows; it means `uv run --directory /a b`. */
function verbFirst(args: readonly string[]): readonly string[] {
  return args[0] === '--directory' && args[2] === 'run'
    ? ['run', ...args.slice(0, 2), ...args.slice(3)]
    : args;
}

/** npm, unlike npx, reads its flags (`--call`, `--script-shell`) behind the name of a package too, up to `--`. */
function npmFlagBehind(args: readonly string[]): string | undefined {
  const end = args.indexOf('--');
  const target = args.findIndex(
    (arg, i) => i > 0 && !arg.startsWith('-') && !npx.valued?.test(args[i - 1] ?? ''),
  );
  return target < 0
    ? undefined
    : args.slice(target, end < 0 ? undefined : end).find((arg) => arg.startsWith('-'));
}

function moduleProblem(module: string | undefined): string | undefined {
  if (!/^[A-Za-z_][\w.]*$/.test(module ?? '')) return `${quoted(module)} is no Python module`;
  return CODE_MODULES.has((module ?? '').replace(/\..*$/, ''))
    ? `python -m ${quoted(module)} runs whatever its arguments or its input say`
    : undefined;
}

function valueProblem(program: string, flag: string, value: string | undefined): string | undefined {
  if (value === undefined) return `${program} ${flag} has no value`;
  // The host's or another container's network reaches everything that listens on this machine alone.
  if (/^--net(work)?$/.test(flag) && !/^(none|bridge|default)$/.test(value))
    return `${program} may not be given the network ${quoted(value)} by an index`;
  if (/^(-p|--package|--from|--with|--directory|--project)$/.test(flag) && relative(value))
    return `${quoted(value)} depends on the directory it is started in`;
  return undefined;
}

function targetProblem(
  grammar: Grammar,
  program: string,
  [target = '', ...rest]: readonly string[],
): string | undefined {
  const depends = `${program} would run ${quoted(target)}, which depends on the directory it is started in`;
  if (relative(target)) return depends;
  if (grammar.target === 'file')
    return posix.isAbsolute(target) || win32.isAbsolute(target) ? undefined : depends;
  if (grammar.target instanceof RegExp) return grammar.target.test(target) ? undefined : depends;
  if (grammar.target === 'package' && !canBeProgram(program, target)) return undefined;
  const name = programName(target.replace(/(?<=[\w-])(@|==|\[).*$/, ''));
  if (isWrapper(name))
    return `${program} would start a shell or whatever the arguments of ${quoted(target)} say`;
  return runtimeFlagProblem(name, rest);
}

/**
 * With a package named by a flag, what npx, uvx and the like are told to run may also be any program of this machine
 * (`npx -p x sh -c ...`). `@scope/name`, `owner/name` and addresses are packages alone, and an image has its own programs.
 */
function canBeProgram(program: string, target: string): boolean {
  return GRAMMARS[program]?.[0] !== container && (posix.isAbsolute(target) || !target.includes('/'));
}

/** A path that is not absolute, also as a `file:` address. A package may have a slash (`@scope/name`, `owner/name`). */
function relative(value: string): boolean {
  const path = value.replace(/^(file|link|portal):(\/\/)?/i, '');
  return (
    /^\.{1,2}([/\\]|$)/.test(path) ||
    path.startsWith('~') ||
    (path !== value && !posix.isAbsolute(path) && !win32.isAbsolute(path))
  );
}
