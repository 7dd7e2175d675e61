import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { bin, type Workplace } from './runtime.js';

/** `mcp-runtime index serve` as a process of its own, with a home of its own. */
export interface ServedIndex {
  readonly url: string;
  readonly home: string;
  /** A request to the API; `path` comes after /api/mcp. */
  ask(
    method: string,
    path: string,
    options?: { body?: unknown; headers?: Record<string, string> },
  ): Promise<{ status: number; json: Record<string, unknown> }>;
  stop(): Promise<void>;
}

/** Starts it and waits until it listens. Rejects with what it said when it ends before that. */
export async function serveIndex(
  place: Workplace,
  options: { args?: string[]; env?: Record<string, string>; home?: string } = {},
): Promise<ServedIndex> {
  const home = options.home ?? `${place.folder}/index-home`;
  const child = spawn(process.execPath, [bin, 'index', 'serve', '--port', '0', ...(options.args ?? [])], {
    env: { ...place.env, MCP_RUNTIME_HOME: home, ...options.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const exited = once(child, 'exit');
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', () => {
      const found = /serves its index on (\S+)\/api\/mcp/.exec(said)?.[1];
      if (found) resolve(found);
    });
    void exited.then(([code]) => reject(new Error(`index serve ended with ${String(code)}: ${said}`)));
  });
  return {
    url,
    home,
    ask: async (method, path, { body, headers = {} } = {}) => {
      const response = await fetch(`${url}/api/mcp${path}`, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, json: (await response.json()) as Record<string, unknown> };
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await exited;
    },
  };
}
