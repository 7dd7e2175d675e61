import { RuntimeError } from '../core/errors.js';
import type { ServerIdentity } from '../core/server.js';
import type { RequestOptions } from '../core/upstream.js';
import { oneLine } from '../lib/printable.js';
import type { MessageChannel } from './channel.js';
import type { Peer } from './peer.js';

/** Revisions with an `initialize`, newest first. */
const PROTOCOL_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'] as const;
const NEWEST = PROTOCOL_VERSIONS[0];
const OLDEST = PROTOCOL_VERSIONS[PROTOCOL_VERSIONS.length - 1];

export interface ClientInfo {
  readonly name: string;
  readonly version: string;
  readonly title?: string | undefined;
}

export interface HandshakeOptions {
  readonly server: string;
  readonly clientInfo: ClientInfo;
  /** What we offer to servers; nothing unless a bridge answers their requests. */
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/**
 * `initialize` and `notifications/initialized`.
 * @throws RuntimeError SERVER_START_FAILED, not retryable, when the server speaks no revision that we speak.
 */
export async function handshake(
  peer: Peer,
  channel: MessageChannel,
  options: HandshakeOptions,
  request: RequestOptions,
): Promise<ServerIdentity> {
  const { server, clientInfo, capabilities } = options;
  const params = { protocolVersion: NEWEST, capabilities, clientInfo };
  const answer = (await peer.request('initialize', params, request)).value as Record<string, unknown>;
  const { protocolVersion } = answer;
  if (!isSpoken(protocolVersion)) throw mismatch(server, [protocolVersion]);
  channel.useVersion(protocolVersion);
  await peer.notify('notifications/initialized');
  return identityOf(server, answer, protocolVersion);
}

function isSpoken(version: unknown): version is string {
  return PROTOCOL_VERSIONS.some((known) => known === version);
}

/** The error of a server that refuses our revision; undefined when its error says something else. */
export function refusedVersion(server: string, error: RuntimeError): RuntimeError | undefined {
  const data = error.data?.['data'];
  if (error.code !== 'UPSTREAM_ERROR' || typeof data !== 'object' || data === null || !('supported' in data))
    return undefined;
  return Array.isArray(data.supported) ? mismatch(server, data.supported) : undefined;
}

function mismatch(server: string, theirs: readonly unknown[]): RuntimeError {
  const named = theirs
    .slice(0, 5)
    .map((version) => oneLine(version === undefined ? 'no protocol version' : JSON.stringify(version), 60))
    .join(', ');
  return new RuntimeError(
    'SERVER_START_FAILED',
    `The server "${server}" speaks ${named}; this runtime speaks the protocol versions ${OLDEST} to ${NEWEST}.`,
    {
      hint: 'Use a version of the server that speaks one of these.',
      retryable: false,
      data: { server, phase: 'initialize', supported: PROTOCOL_VERSIONS, offered: named },
    },
  );
}

/** What a server says of itself; it is lenient, since names and capabilities decide nothing here. */
export function identityOf(
  server: string,
  answer: Readonly<Record<string, unknown>>,
  protocolVersion: string,
): ServerIdentity {
  const info = recordOf(answer['serverInfo']);
  const title = textOf(info['title']);
  const instructions = textOf(answer['instructions']);
  return {
    name: textOf(info['name']) ?? server,
    version: textOf(info['version']) ?? '',
    ...(title === undefined ? {} : { title }),
    ...(instructions === undefined ? {} : { instructions }),
    protocolVersion,
    capabilities: recordOf(answer['capabilities']),
  };
}

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
