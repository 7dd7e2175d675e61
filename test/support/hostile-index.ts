import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface LedgerEntry {
  readonly method: string;
  readonly url: string;
  readonly mode: string;
  readonly path: string;
  readonly headers: Record<string, string>;
}

/** The hostile index as a process of its own; ends with the test's process at the latest. */
export async function startHostileIndex() {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('../fixtures/hostile-index.mjs', import.meta.url))],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { port, evil } = JSON.parse(line) as { port: number; evil: string[] };
  const origin = `http://127.0.0.1:${port}`;
  return {
    evil,
    port,
    url: (mode: string) => `${origin}/${mode}`,
    ledger: async (mode: string) => {
      const all = (await (await fetch(`${origin}/ledger`)).json()) as LedgerEntry[];
      return all.filter((entry) => entry.mode === mode);
    },
    clear: async () => void (await (await fetch(`${origin}/ledger/clear`)).json()),
    async stop() {
      child.stdin.end();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}
