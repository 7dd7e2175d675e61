/** Whether everything is to be told, by what is known before settings are read. */
export const isDebugging = (argv: readonly string[]): boolean =>
  process.env['LOG_LEVEL'] === 'debug' ||
  argv.includes('--log-level=debug') ||
  argv.some((word, at) => word === '--log-level' && argv[at + 1] === 'debug');
