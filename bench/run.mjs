// npm run bench [-- calls|wire|search|content ...] [-- --json]
// Without a name: calls. What the tables mean stands in bench/README.md.
import { existsSync } from 'node:fs';

const json = process.argv.includes('--json');
const names = process.argv.slice(2).filter((word) => !word.startsWith('-'));

for (const name of names.length > 0 ? names : ['calls']) {
  const file = new URL(`./${name}.mjs`, import.meta.url);
  if (!existsSync(file)) {
    console.error(`There is no bench "${name}".`);
    process.exitCode = 2;
    continue;
  }
  const bench = await import(file.href);
  // A bench either gives rows, or is a program of its own that prints.
  if (typeof bench.run !== 'function') continue;
  const rows = await bench.run();
  if (json) console.log(JSON.stringify({ bench: name, rows }));
  else console.table(rows);
}
