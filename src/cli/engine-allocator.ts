/**
 * How the engine's process is to give memory back, for glibc (others know nothing of it): what is large is a mapping of
 * its own that goes when it is freed. By itself glibc stops doing so at the first large buffer that is freed, and then
 * keeps some 60 MiB after large results. What a pipe is read into counts as large: 64 KiB each, of which hundreds are
 * held at once and freed in any order; it costs no more time than with 1 MiB.
 */
const TUNED: Readonly<Record<string, string>> = {
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '1048576',
};
/** Says which of these are ours and not the user's. */
const MARK = 'MCP_RUNTIME_ALLOCATOR';

/** The environment to start an engine with. What the user set counts. */
export function withAllocator(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { [MARK]: _mark, ...own } = environment;
  const names = Object.keys(TUNED);
  if (process.platform !== 'linux' || names.some((name) => own[name] !== undefined)) return own;
  return { ...own, ...TUNED, [MARK]: '1' };
}

/** Takes out of `environment` what `withAllocator` put in: it was read when the process began, and no child gets it. */
export function forgetAllocator(environment: NodeJS.ProcessEnv): void {
  if (environment[MARK] === undefined) return;
  for (const name of [...Object.keys(TUNED), MARK]) delete environment[name];
}
