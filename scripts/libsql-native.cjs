// Bundled in the place of what libsql asks which of its native packages is for this machine (scripts/build.mjs).
const { closeSync, openSync, readSync } = require('node:fs');
const { createRequire } = require('node:module');

/** As libsql itself would: its native packages need not be where ours are looked for. */
exports.ask = (name) => createRequire(createRequire(__filename).resolve('libsql'))(name);

/**
 * The native package for Linux, told by the loader that Node's own program names. libsql tells glibc from musl by a report
 * of Node's, which took half of the time to load it. @returns undefined where libsql has to ask.
 */
exports.known = () => {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined;
  const libc = libcOf(process.execPath);
  return libc === undefined ? undefined : exports.ask(`@libsql/linux-${process.arch}-${libc}`);
};

const HEAD_BYTES = 4096;

function libcOf(program) {
  let file;
  try {
    file = openSync(program, 'r');
    const head = Buffer.alloc(HEAD_BYTES);
    readSync(file, head, 0, HEAD_BYTES, 0);
    const [gnu, musl] = ['/ld-linux-', '/ld-musl-'].map((name) => head.includes(name));
    if (gnu === musl) return undefined;
    return gnu ? 'gnu' : 'musl';
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
