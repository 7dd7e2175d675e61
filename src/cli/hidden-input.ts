import { isUtf8 } from 'node:buffer';
import { RuntimeError } from '../core/errors.js';

const MAX_BYTES = 128 * 1_024;

/**
 * A value that nobody sees: typed at a terminal that does not show it, or all of standard input otherwise. One line
 * feed at its end does not belong to it.
 * @throws RuntimeError CANCELLED, INVALID_ARGUMENTS
 */
export async function hiddenInput(prompt: string): Promise<string> {
  const bytes = process.stdin.isTTY ? await fromTerminal(prompt) : await fromPipe();
  if (bytes.length > MAX_BYTES) throw refused('The value is too long.');
  if (!isUtf8(bytes)) throw refused('The value is no text (UTF-8).');
  return bytes.toString('utf8').replace(/\r?\n$/, '');
}

async function fromPipe(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let held = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    held += (chunk as Buffer).length;
    if (held > MAX_BYTES) break;
  }
  return Buffer.concat(chunks);
}

function fromTerminal(prompt: string): Promise<Buffer> {
  const { stdin } = process;
  return new Promise((resolve, reject) => {
    let typed = '';
    const finish = (settle: () => void) => {
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      process.stderr.write('\n');
      settle();
    };
    const onData = (chunk: Buffer) => {
      for (const key of chunk.toString('utf8')) {
        if (key === '\r' || key === '\n' || key === '\u0004')
          return finish(() => resolve(Buffer.from(typed, 'utf8')));
        if (key === '\u0003')
          return finish(() => reject(new RuntimeError('CANCELLED', 'Nothing was changed.')));
        if (key === '\u007f' || key === '\b') typed = [...typed].slice(0, -1).join('');
        else if (key === '\u0015') typed = '';
        else typed += key;
      }
    };
    process.stderr.write(prompt);
    stdin.setRawMode(true);
    stdin.on('data', onData);
    stdin.resume();
  });
}

const refused = (why: string) => new RuntimeError('INVALID_ARGUMENTS', why);
