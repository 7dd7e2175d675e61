import { RuntimeError } from '../core/errors.js';

/** @throws RuntimeError CONFIG_INVALID */
export function portOf(text: string): number {
  const port = Number(text);
  if (text.trim() !== '' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new RuntimeError('CONFIG_INVALID', `--port ${text} is no port.`, {
    hint: 'Give a number from 0 to 65535.',
  });
}
