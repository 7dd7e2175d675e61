// npm run bench [-- start calls http crash memory search sharing wire content ...] [-- --quick] [--json [file]] [--peers]
// Without a name: the whole table. What it means stands in bench/README.md.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const TABLE = ['start', 'calls', 'http', 'crash', 'memory', 'search', 'sharing'];
const words = process.argv.slice(2);
const flag = (name) => words.includes(`--${name}`);
// A path after --json; without one, JSON goes to stdout instead of the tables.
const jsonAt = words.indexOf('--json');
const jsonFile = words[jsonAt + 1]?.match(/[./]/) ? words[jsonAt + 1] : undefined;
const names = words.filter((word) => !word.startsWith('-') && !(jsonAt >= 0 && word === jsonFile));

const results = [];
for (const name of names.length > 0 ? names : flag('peers') ? [] : TABLE) await part(name);
if (flag('peers')) await part('peers');
const facts = { node: process.version, platform: `${process.platform} ${process.arch}`, results };
if (jsonFile !== undefined) await writeFile(jsonFile, `${JSON.stringify(facts, null, 1)}\n`);
else if (jsonAt >= 0) console.log(JSON.stringify(facts));

async function part(name) {
  const file = new URL(name === 'peers' ? './peers/run.mjs' : `./${name}.mjs`, import.meta.url);
  if (!existsSync(file)) {
    console.error(`There is no bench "${name}".`);
    process.exitCode = 2;
    return;
  }
  const load = loadavg()[0].toFixed(1);
  try {
    const rows = await measured(name, file);
    results.push({ bench: name, load, rows });
    if (jsonAt >= 0 && jsonFile === undefined) return;
    console.log(`\n${name} (load ${load})`);
    console.table(rows);
  } catch (error) {
    // The others are still worth having.
    console.error(`The bench "${name}" failed: ${error instanceof Error ? error.stack : error}`);
    results.push({ bench: name, load, error: String(error) });
    process.exitCode = 1;
  }
}

/** The hop is a program of its own, with processes pinned to a core; the others are modules. */
async function measured(name, file) {
  if (name !== 'wire') return (await import(file.href)).run({ quick: flag('quick') });
  const args = [fileURLToPath(file), '--json', ...(flag('quick') ? ['--quick'] : [])];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1e8 });
  return Object.entries(JSON.parse(stdout).results).flatMap(([link, sizes]) =>
    Object.entries(sizes).map(([size, row]) => ({ link, size, ...row })),
  );
}
