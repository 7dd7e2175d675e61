#!/usr/bin/env node
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

// CommonJS: importing what Node brings into an ES module fetches all there is in it, which took some 8 ms of each start.
const { start } = createRequire(import.meta.url)(
  './command/boot.cjs',
) as typeof import('./cli/boot/start.js');
process.exit(await start(fileURLToPath(new URL('./command', import.meta.url)), process.argv.slice(2)));
