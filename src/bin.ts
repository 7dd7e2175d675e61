#!/usr/bin/env node
import { Console } from 'node:console';
import { fileURLToPath } from 'node:url';
import { loadCommand } from './cli/boot/load-command.js';

// A library that prints must not end up between the JSON-RPC lines on stdout, so this stands before the command is
// loaded. Made when it is first used: the streams behind it cost a start some milliseconds.
let ours: Console | undefined;
Object.defineProperty(globalThis, 'console', {
  configurable: true,
  get: () => {
    ours ??= new Console(process.stderr, process.stderr);
    return ours;
  },
  set: (other: Console) => {
    ours = other;
  },
});

const argv = process.argv.slice(2);
const { main } = loadCommand(fileURLToPath(new URL('./command', import.meta.url)), argv);
process.exit(await main(argv));
