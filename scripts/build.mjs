// npm run build [-- --clean]
// Builds into a directory of its own and then puts each file that is different in its place, so that who runs `dist`
// meanwhile never finds it half empty. The modules are for the library face, its types and the tests; `dist/command` is
// the command in a few chunks (docs/adr/0011-command-in-chunks.md).
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';

const project = fileURLToPath(new URL('..', import.meta.url));
const dist = join(project, 'dist');
/** A program that runs may still load chunks of the build before, and someone else may have built meanwhile. */
const KEEP_MS = 3_600_000;

/**
 * What a way to start needs goes into one chunk, with what it imports, unless a chunk before wants that. What several of
 * them share stands first: else it would take the whole chunk it happens to be in with it, the SDK into the engine.
 */
const CHUNKS = [
  // Each by itself: some of them need the database, which a front-end never opens.
  [
    'shared',
    /\/src\/(core\/|lib\/(?!sqlite|file-lock|log\b)[\w-]+\.ts)/,
    { includeDependenciesRecursively: false },
  ],
  [
    'sqlite',
    /\/src\/lib\/(sqlite|file-lock)\.ts$|\/node_modules\/libsql\/|\/libsql-native\.cjs$/,
    { includeDependenciesRecursively: false },
  ],
  ['log', /\/src\/lib\/log\.ts$/],
  ['command', /\/src\/cli\/(main|command-kit|output)\.ts$/],
  ['settings', /\/src\/cli\/(environment|runtime)\.ts$/],
  ['serve', /\/src\/cli\/serve\.ts$/],
  ['start', /\/src\/wire\/(engine-directory|engine-start)\.ts$/],
  ['operations', /\/src\/(operations\/[\w-]+|cli\/lazy-port)\.ts$/],
  ['wire', /\/src\/wire\/(join-or-start|engine-directory|link-address)\.ts$/],
  ['mcp', /\/src\/mcp\/(face|serve-stdio)\.ts$/],
  ['sdk', /\/src\/mcp\/(sdk-server|serve-sdk-stdio)\.ts$/],
  ['config', /\/src\/config\/servers-file\.ts$/],
  ['engine', /\/src\/cli\/(compose|engine-process)\.ts$/],
  ['http', /\/src\/http\/(face|guard)\.ts$/],
  // No start needs this; it has a name so that a test can see that.
  ['regex', /\/node_modules\/re2js\//],
];

/** Logs go to stderr from this thread; what pino needs for other ways loads Node's part for workers. */
const noTransports = {
  name: 'no-transports',
  load: {
    filter: { id: /pino\/lib\/transport\.js$/ },
    handler: () => "module.exports = () => { throw new Error('pino has no transports here'); };",
  },
};

/** All of zod's languages are behind one name; every message of ours is English. */
const onlyEnglish = {
  name: 'only-english',
  load: {
    filter: { id: /zod\/v4\/locales\/index\.js$/ },
    handler: () => "export { default as en } from './en.js';",
  },
};

/** What pino writes with makes sure of one number with it. */
const smallAssert = {
  name: 'small-assert',
  transform: {
    filter: { id: /sonic-boom\/index\.js$/ },
    handler: (code) =>
      replaced(
        code,
        "const assert = require('assert')",
        'const assert = (value, message) => { if (!value) throw new Error(message); };',
      ),
  },
};

/** libsql finds its native part in a slow way; see libsql-native.cjs. */
const quickLibsql = {
  name: 'quick-libsql',
  transform: {
    filter: { id: /libsql\/index\.js$/ },
    handler: (code) => {
      const [load, libc] = [
        'const { load, currentTarget } = require("@neon-rs/load");',
        'const { familySync, GLIBC, MUSL } = require("detect-libc");',
      ];
      const begin = 'function requireNative() {';
      const native = JSON.stringify(join(project, 'scripts/libsql-native.cjs'));
      const asked = [load, libc].map((line) => line.replace('require', 'native.ask')).join('\n');
      const changes = [
        [load, `const native = require(${native});`],
        [libc, ''],
        [begin, `${begin}\nconst known = native.known();\nif (known) return known;\n${asked}`],
        ['require(`@libsql/${target}`)', 'native.ask(`@libsql/${target}`)'],
      ];
      return changes.reduce((text, [from, to]) => replaced(text, from, to), code);
    },
  },
};

/** A package that is no longer what it was must not be bundled half changed. */
function replaced(code, from, to) {
  if (code.split(from).length !== 2) throw new Error(`A package has changed: ${from} is not there once.`);
  return code.replace(from, () => to);
}

/** What `src/bin.ts` does, for processes of ours that start others. */
const BIN = `require('./boot.cjs')
  .start(__dirname, process.argv.slice(2))
  .then((code) => process.exit(code));
`;

async function bundle(out) {
  const common = {
    cwd: project,
    platform: 'node',
    // For packages without an export map: their UMD face asks for files that a bundler cannot see.
    resolve: { mainFields: ['module', 'main'] },
    plugins: [onlyEnglish, noTransports, smallAssert, quickLibsql],
    // What brings its native part along, and what is optional or rarely needed and large.
    external: [/^zeromq$/, /^@lat\.md\//, /^gpt-tokenizer/, /^json-p3$/],
    transform: { target: 'node20' },
    treeshake: {
      moduleSideEffects: [{ test: /\/node_modules\/(zod|@modelcontextprotocol)\//, sideEffects: false }],
    },
    // The compiler tells of it; who builds in the middle of someone else's work still gets the rest.
    shimMissingExports: true,
    // What cannot be found would only show when it is needed.
    onLog: (_level, log, report) => {
      if (log.code === 'UNRESOLVED_IMPORT') report('error', log);
    },
  };
  const write = {
    sourcemap: true,
    sourcemapExcludeSources: true,
    charset: 'ascii',
    comments: { legal: true, annotation: false, jsdoc: false },
  };
  const command = await rolldown({ ...common, input: { main: 'src/cli/main.ts' } });
  const { output } = await command.write({
    ...write,
    dir: join(out, 'command'),
    format: 'cjs',
    // Code that is run from the cache cannot import; what is left to Node is CommonJS.
    dynamicImportInCjs: false,
    strict: true,
    entryFileNames: '[name]-[hash:8].cjs',
    // As hex there is no hyphen in a hash, so that a name can be told from it.
    chunkFileNames: '[name]-[hash:8].cjs',
    hashCharacters: 'hex',
    codeSplitting: {
      groups: CHUNKS.map(([name, test, more], index) => ({
        name,
        test,
        priority: CHUNKS.length - index,
        ...more,
      })),
    },
  });
  const entry = output.find((chunk) => chunk.isEntry).fileName;
  await writeFile(join(out, 'command/main.cjs'), `module.exports = require('./${entry}');\n`);
  await command.close();
  const boot = await rolldown({ ...common, input: { boot: 'src/cli/boot/start.ts' } });
  await boot.write({ ...write, dir: join(out, 'command'), format: 'cjs', entryFileNames: 'boot.cjs' });
  await boot.close();
  await writeFile(join(out, 'command/bin.cjs'), BIN);
}

/** @returns what is wrong with types, if anything: then there are modules all the same. */
async function compile(out) {
  const tsc = join(project, 'node_modules/typescript/bin/tsc');
  const run = promisify(execFile)(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', out], {
    cwd: project,
  });
  return run.then(() => undefined).catch(({ stdout, stderr }) => `${stdout}${stderr}`);
}

async function filesIn(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
}

/** Each file takes the place of the one before in one step; what is the same stays, what is no longer made goes. */
async function install(built, keepMs) {
  const files = await filesIn(built);
  for (const file of files.sort(entryLast)) {
    const [made, target] = [join(built, file), join(dist, file)];
    const [now, before] = await Promise.all([readFile(made), readFile(target).catch(() => undefined)]);
    if (before?.equals(now)) continue;
    await mkdir(dirname(target), { recursive: true });
    await rename(made, target);
  }
  const made = new Set(files);
  for (const file of await filesIn(dist)) {
    if (made.has(file)) continue;
    const { mtimeMs } = await stat(join(dist, file)).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs >= keepMs) await rm(join(dist, file), { force: true });
  }
}

const LAST = /^(bin|command.(main|boot|bin))\b/;
/** The chunks first, then who loads them. */
const entryLast = (a, b) => Number(LAST.test(a)) - Number(LAST.test(b));

// Within the project, so that a rename stays within one file system.
const cache = join(project, 'node_modules/.cache');
await mkdir(cache, { recursive: true });
const work = await mkdtemp(join(cache, 'build-'));
try {
  const [modules, chunks] = [join(work, 'modules'), join(work, 'chunks')];
  const [wrong] = await Promise.all([compile(modules), bundle(chunks)]);
  await rename(join(chunks, 'command'), join(modules, 'command'));
  await install(modules, process.argv.includes('--clean') ? 0 : KEEP_MS);
  if (wrong !== undefined) throw new Error(wrong);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await rm(work, { recursive: true, force: true });
}
