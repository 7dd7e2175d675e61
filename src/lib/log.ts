import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { escapeUnseenJson } from './escape.js';

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'child'>;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * Logs go to stderr (fd 2) or to the given stream, never to stdout, which carries JSON-RPC alone.
 * Known names of secrets are removed wherever they stand in a record.
 */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: {
        // JSON leaves C1 controls and what turns the direction of text as they are; a terminal does not.
        streamWrite: (line) => `${escapeUnseenJson(line.trimEnd())}\n`,
      },
      redact: {
        paths: [
          'env',
          '*.env',
          'headers',
          '*.headers',
          'token',
          '*.token',
          'authorization',
          '*.authorization',
        ],
        censor: '[removed]',
      },
    },
    destination ?? pino.destination({ dest: 2, sync: true }),
  );
}

export const silentLogger: Logger = pino({ level: 'silent' });
