import { RuntimeError } from '../../core/errors.js';
import { isPlainObject } from '../../lib/json-object.js';
import { Semaphore } from '../../lib/semaphore.js';
import type { ServerJson } from './schemas.js';
import { Failure, ValidationFailure } from './validation.js';

interface BulkResult {
  readonly server_name: string;
  readonly success: boolean;
  readonly message: string;
  readonly server_info?: ServerJson;
}

const MAX_SERVERS = 1_000;
/** Each one starts a server; more at once would make all of them slow, and none of them sooner. */
const STARTED_AT_ONCE = 4;

/** The entries of an uploaded servers file. @throws Failure 400 when it is none. */
export function uploadedServers(text: string): [name: string, entry: unknown][] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Failure(400, 'The file is not JSON.');
  }
  const servers = isPlainObject(json) ? json['mcpServers'] : undefined;
  if (!isPlainObject(servers)) throw new Failure(400, 'The file has no object "mcpServers".');
  const entries = Object.entries(servers);
  if (entries.length > MAX_SERVERS)
    throw new Failure(
      400,
      `The file holds ${entries.length} servers; at most ${MAX_SERVERS} are taken at once.`,
    );
  return entries;
}

/** Adds each one for itself; results stand in the order of the file. Never rejects because one failed. */
export async function addBulk(
  servers: readonly [name: string, entry: unknown][],
  add: (body: object) => Promise<ServerJson>,
): Promise<BulkResult[]> {
  const places = new Semaphore(STARTED_AT_ONCE);
  return Promise.all(
    servers.map(async ([name, entry]): Promise<BulkResult> => {
      const failed = (message: string) => ({ server_name: name, success: false, message });
      if (!isPlainObject(entry)) return failed('The entry is no object.');
      if (entry['disabled'] === true || entry['ignore'] === true)
        return failed('Left out: it is disabled in the file.');
      using _place = await places.acquire();
      try {
        return {
          server_name: name,
          success: true,
          message: 'Added',
          server_info: await add({ ...entry, server_name: name }),
        };
      } catch (error) {
        return failed(reasonOf(error));
      }
    }),
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof ValidationFailure)
    return error.detail.map(({ loc, msg }) => `${loc.slice(1).join('.') || 'entry'}: ${msg}`).join('; ');
  return error instanceof Failure || error instanceof RuntimeError ? error.message : 'Internal error';
}
