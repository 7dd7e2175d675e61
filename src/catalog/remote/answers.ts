import { RuntimeError } from '../../core/errors.js';
import { unavailable } from './exchange.js';
import { detailOf, type Told } from './index-link.js';
import { asObject, BadEntry, quoted, readServer } from './read.js';
import type { BulkAnswer, IndexServer } from './types.js';

/** What an index says with a status, in the runtime's words. */
interface Expectation {
  /** The index, as it may be shown. */
  readonly index: string;
  /** What a 404 means here; without it: that the address is wrong. */
  readonly missing?: (() => RuntimeError) | undefined;
  readonly server?: string | undefined;
}

/** The object of a 2xx answer. @throws RuntimeError what the status says. */
export function expectObject(told: Told, expected: Expectation): Readonly<Record<string, unknown>> {
  const { status, json } = told;
  const { index } = expected;
  if (status === 404 && expected.missing) throw expected.missing();
  if (status === 404 || status === 405) {
    throw unavailable(index, 'status', `answers with ${status}: there is no mcp_index at this address`, {
      status,
    });
  }
  const detail = detailOf(json);
  const data = { index, status, ...(detail === undefined ? {} : { detail }) };
  if (status >= 500) {
    throw new RuntimeError(
      'SERVER_START_FAILED',
      `The index at ${index} could not do it: ${quoted(detail, 500)}.`,
      { data },
    );
  }
  if (status >= 300) {
    throw new RuntimeError(
      'INVALID_ARGUMENTS',
      `The index at ${index} refuses the request (${status}): ${quoted(detail, 500)}.`,
      { data },
    );
  }
  const object = asObject(json);
  if (!object) throw garbage(index, 'an answer that is no object');
  return object;
}

export function expectList(
  answer: Readonly<Record<string, unknown>>,
  field: string,
  index: string,
): readonly unknown[] {
  const list = answer[field];
  if (!Array.isArray(list)) throw garbage(index, `no list of ${field}`);
  return list;
}

export function garbage(index: string, what: string): RuntimeError {
  return unavailable(index, 'garbage', `gives ${what}`);
}

/** A single thing that must be whole: here a bad entry is a bad answer. */
export function expectWhole<T>(index: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof BadEntry) throw garbage(index, `something unusable: ${error.message}`);
    throw error;
  }
}

/** `{server, message}`, or the server itself. */
export function readServerAnswer(answer: Readonly<Record<string, unknown>>, index: string): IndexServer {
  return expectWhole(index, () => readServer(answer['server'] ?? answer));
}

export function readBulkAnswer(answer: Readonly<Record<string, unknown>>, index: string): BulkAnswer {
  const results = expectList(answer, 'results', index).map((entry) => {
    const json = asObject(entry) ?? {};
    const info = json['server_info'] ?? json['serverInfo'] ?? json['server'];
    return {
      name: String(json['server_name'] ?? json['name'] ?? ''),
      success: json['success'] === true,
      message: String(json['message'] ?? ''),
      ...(asObject(info) ? { server: expectWhole(index, () => readServer(info)) } : {}),
    };
  });
  const successCount = results.filter((result) => result.success).length;
  return { results, successCount, failedCount: results.length - successCount, totalCount: results.length };
}
