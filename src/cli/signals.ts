/** Resolves at the first SIGTERM, SIGINT or SIGHUP; a second one ends the process at once. */
export function untilStopped(): { readonly signalled: Promise<void>; release(): void } {
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  let seen = 0;
  let resolve: () => void = () => {};
  const signalled = new Promise<void>((done) => {
    resolve = done;
  });
  const onSignal = () => {
    seen += 1;
    // Kept until the end of the process: someone who insists does not want to wait for a graceful stop.
    if (seen > 1) process.kill(process.pid, 'SIGKILL');
    resolve();
  };
  for (const signal of signals) process.on(signal, onSignal);
  return { signalled, release: () => resolve() };
}
