import type { PolicyFile } from '../config/policy-file.js';
import type { ServersFile } from '../config/servers-file.js';
import type { Settings } from '../config/settings.js';
import type { ServerDefinition } from '../core/server.js';
import type { UpstreamSession } from '../core/upstream.js';
import type { Logger } from '../lib/log.js';
import type { Tenant } from './supervisor.js';

export interface EngineOptions {
  readonly settings: Settings;
  /** Where tasks are kept: the home, unless another engine owns that. */
  readonly stateDirectory: string;
  readonly contentDirectory: string;
  readonly servers: ServersFile;
  /** Default: none. */
  readonly policy?: PolicyFile | undefined;
  /**
   * Opens a session with an upstream.
   * @param prior the revision it spoke when it was learnt.
   * @param roots gives those of the client whose own server it is, told while none of its calls waits.
   */
  open(
    definition: ServerDefinition,
    tenant: Tenant,
    signal: AbortSignal,
    prior: string | undefined,
    roots: () => unknown,
  ): Promise<UpstreamSession>;
  /** Resident memory in bytes of a process and all it started; undefined where that cannot be told. */
  familyMemory(pid: number): Promise<number | undefined>;
  readonly logger: Logger;
  readonly version: string;
  readonly pid: number;
  /** How it is reached, for people. */
  readonly mode: string;
  /** Own memory in bytes. */
  memory(): number;
}
