import { isAscii } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { homePath } from '../../config/home.js';
import { isDebugging } from '../debug.js';
import type { main } from '../main.js';
import { CodeCache } from './code-cache.js';
import { asAtStart } from './young-generation.js';

type Exports = Record<string, unknown>;
type Wrapper = (
  exports: Exports,
  require: (id: string) => unknown,
  module: { exports: Exports },
  filename: string,
  dirname: string,
) => void;

/** The entry has no hash in its name, so what V8 made of it is not kept; it only loads the first chunk. */
const ENTRY = 'main.cjs';
const HEAD = '(function(exports,require,module,__filename,__dirname){';
/** What a start needs was compiled by then, and nobody waits for us any more, ms. */
const SETTLED_MS = 5_000;

/**
 * Loads the bundled command. With `--enable-source-maps` or LOG_LEVEL=debug Node loads it, which then shows places in the
 * source in stack traces, and otherwise we do, with the code cache of the home.
 * @param directory where the chunks are.
 */
export function loadCommand(directory: string, argv: readonly string[]): { main: typeof main } {
  const nodeRequire = createRequire(join(directory, ENTRY));
  if (wantsSourceMaps(argv)) {
    process.setSourceMapsEnabled(true);
    return nodeRequire(`./${ENTRY}`) as { main: typeof main };
  }
  return new ChunkLoader(directory, nodeRequire, cacheOf(directory, argv)).load(ENTRY) as {
    main: typeof main;
  };
}

class ChunkLoader {
  readonly #directory: string;
  readonly #nodeRequire: NodeJS.Require;
  readonly #modules = new Map<string, { exports: Exports }>();
  /** From an earlier start; what is taken from it is gone. */
  readonly #known: Map<string, Buffer>;
  /** Of this start; undefined once it has settled: what is loaded later is not what a start waits for. */
  #scripts: Map<string, Script> | undefined = new Map();
  #isStale = false;

  constructor(directory: string, nodeRequire: NodeJS.Require, cache: CodeCache) {
    this.#directory = directory;
    this.#nodeRequire = nodeRequire;
    this.#known = new Map(cache.read());
    const settle = () => {
      const scripts = this.#scripts;
      if (this.#isStale && scripts) cache.write(asAtStart(() => this.#compiled(scripts)));
      this.#scripts = undefined;
      this.#known.clear();
    };
    setTimeout(settle, SETTLED_MS).unref();
    process.once('exit', settle);
  }

  load(name: string): Exports {
    const loaded = this.#modules.get(name);
    if (loaded) return loaded.exports;
    const module = { exports: {} };
    this.#modules.set(name, module);
    const filename = join(this.#directory, name);
    const cachedData = this.#known.get(name);
    this.#known.delete(name);
    const text = `${HEAD}${readText(filename)}\n})`;
    // Long after the start the flags may be others.
    const script = asAtStart(() => new Script(text, { filename, cachedData }));
    if (name !== ENTRY && this.#scripts) {
      this.#scripts.set(name, script);
      if (cachedData === undefined || script.cachedDataRejected === true) this.#isStale = true;
    }
    const run = script.runInThisContext() as Wrapper;
    run(module.exports, this.#require, module, filename, this.#directory);
    return module.exports;
  }

  readonly #require = (id: string): unknown =>
    id.startsWith('./') ? this.load(id.slice(2)) : asAtStart(() => this.#nodeRequire(id));

  /** What was loaded now, functions that ran included, and what other starts needed besides, but not of other builds. */
  #compiled(scripts: ReadonlyMap<string, Script>): [string, Buffer][] {
    const loaded = new Set([...scripts.keys()].map(stem));
    return [
      ...[...scripts].map(([name, script]): [string, Buffer] => [name, script.createCachedData()]),
      ...[...this.#known].filter(([name]) => !loaded.has(stem(name))),
    ];
  }
}

/** The name of a chunk without its hash. */
const stem = (name: string): string => name.replace(/-[^-]{8}\.cjs$/, '');

/** A front-end, an engine and a command need different parts; a key for each, and for each place we are installed at. */
function cacheOf(directory: string, argv: readonly string[]): CodeCache {
  const [command, sub] = argv;
  const role = command === 'serve' ? 'serve' : command === 'engine' && sub === 'run' ? 'engine' : 'command';
  const place = createHash('sha256').update(directory).digest('hex').slice(0, 12);
  const home = homePath(
    { ...process.env, ...homeFlag(argv) },
    { name: process.platform, homeDirectory: homedir(), workingDirectory: process.cwd() },
  );
  return new CodeCache(home, `${role}-${process.version}-${process.arch}-${place}`);
}

/** The same home as the command will use, without reading the command line as a whole. */
function homeFlag(argv: readonly string[]): { MCP_RUNTIME_HOME?: string } {
  const at = argv.indexOf('--home');
  const given =
    at < 0 ? argv.find((word) => word.startsWith('--home='))?.slice('--home='.length) : argv[at + 1];
  return given === undefined ? {} : { MCP_RUNTIME_HOME: given };
}

const wantsSourceMaps = (argv: readonly string[]): boolean =>
  isDebugging(argv) ||
  [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ').includes('--enable-source-maps');

/** The bundler writes ASCII, which is read fastest as latin1 and then kept at a byte a character. */
function readText(path: string): string {
  const bytes = readFileSync(path);
  return bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
}
