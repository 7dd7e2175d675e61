#!/usr/bin/env node
// A library that prints must not end up between the JSON-RPC lines on stdout, so this stands before every import.
import { Console } from 'node:console';

globalThis.console = new Console(process.stderr, process.stderr);

const { main } = await import('./cli/main.js');
process.exit(await main(process.argv.slice(2)));
