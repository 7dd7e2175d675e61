import { isAbsolute, join, resolve } from 'node:path';
import { RuntimeError } from '../core/errors.js';
import type { LogLevel } from '../lib/log.js';
import { type Environment, homePath, type Platform } from './home.js';
import { flag, oneOf, readValues, text, url, whole } from './setting-values.js';

export type { Environment, Platform };

/** The settings that users know, with their defaults; times in seconds. */
const rawSettings = {
  DISCOVERY_URL: url,
  DISCOVERY_API_KEY: text,
  DISCOVERY_ENCRYPTION_KEY: text,
  DISCOVERY_REFRESH: whole(300, 1, 86_400),
  DISCOVERY_TRUST: oneOf('first-use', 'ask', 'all'),
  PIN_TOOLS: oneOf('ask', 'off'),
  INDEX_API_KEY: text,
  ENCRYPTION_KEY: text,
  TOOL_OFFLOADED_DATA_PATH: text,
  MAX_RESULT_TOKENS: whole(4096, 64, 1_000_000_000),
  DESCRIBE_IMAGES: flag(true),
  BACKGROUND_QUEUE_SIZE: whole(100, 1, 100_000),
  BACKGROUND_QUEUE_MAX_SUBSCRIBERS: whole(4, 1, 256),
  BACKGROUND_AFTER: whole(0, 0, 86_400),
  ANSWER_TIMEOUT: whole(600, 1, 86_400),
  MAX_MESSAGE_MB: whole(64, 1, 1024),
  OPENAI_API_KEY: text,
  OPENAI_BASE_URL: url,
  VISION_MODEL_NAME: text,
  EMBEDDING_MODEL_NAME: text,
  DIMENSIONS: whole(undefined, 1, 16_384),
  DESCRIPTION_MODEL_NAME: text,
  MCP_RUNTIME_HOME: text,
  MCP_RUNTIME_CONFIG: text,
  MCP_RUNTIME_TOKEN: text,
  OAUTH_ISSUER: url,
  OAUTH_RESOURCE: url,
  OAUTH_JWKS_URL: url,
  CORS_ORIGINS: text,
  HTTP_RATE_LIMIT: whole(6000, 0, 10_000_000),
  AUTO_START: flag(true),
  MAX_RUNNING_SERVERS: whole(50, 1, 10_000),
  LEARN_CONCURRENCY: whole(4, 1, 64),
  ENGINE_LINK: oneOf('zeromq', 'socket'),
  ENGINE_IDLE_TIMEOUT: whole(1800, 0, 31_536_000),
  AUDIT: flag(true),
  AUDIT_MAX_MB: whole(32, 1, 10_000),
  LOG_LEVEL: oneOf('warn', 'debug', 'info', 'error', 'silent'),
};

/** Resolved, frozen. Paths are absolute, times in milliseconds. */
export interface Settings {
  readonly home: string;
  readonly configPath: string;
  /** Whether the user named the servers file: then it must exist. */
  readonly configNamed: boolean;
  /** Where large results are kept, if the user named it. */
  readonly contentPath: string | undefined;
  readonly maxResultTokens: number;
  readonly describeImages: boolean;
  readonly queueSize: number;
  readonly queueWorkers: number;
  /** The longest message that is taken from a server. */
  readonly maxMessageBytes: number;
  /** A call that runs so long becomes a task; undefined: never. */
  readonly backgroundAfterMs: number | undefined;
  /** How long a question of a server may wait for its answer. */
  readonly answerMs: number;
  readonly autoStart: boolean;
  readonly maxRunningServers: number;
  readonly learnConcurrency: number;
  readonly engineLink: 'zeromq' | 'socket';
  readonly engineIdleTimeoutMs: number;
  readonly logLevel: LogLevel;
  /** Bytes that the audit log may take; undefined: none is written. */
  readonly auditBytes: number | undefined;
  readonly discovery:
    | {
        readonly url: string;
        readonly apiKey?: string | undefined;
        readonly encryptionKey?: string | undefined;
        readonly refreshMs: number;
      }
    | undefined;
  /**
   * Whose word is enough to run a server that is not in the servers file: that of the index, or of who adds it to ours,
   * the first time (`first-use`) or always (`all`), or a person's alone (`ask`).
   */
  readonly trust: 'first-use' | 'ask' | 'all';
  /** Whether a tool that is new or has changed is kept back until a person approves it. */
  readonly pinTools: boolean;
  /** Of the index that we serve ourselves. */
  readonly indexServer: {
    readonly apiKey: string | undefined;
    readonly encryptionKey: string | undefined;
  };
  readonly openai: {
    readonly baseUrl: string | undefined;
    readonly apiKey: string | undefined;
    readonly visionModel: string;
    readonly embeddingModel: string | undefined;
    readonly dimensions: number | undefined;
    /** The chat model that describes servers; none unless it is named. */
    readonly descriptionModel: string | undefined;
  };
  /** Who may ask over HTTP. */
  readonly http: {
    /** A token that may do everything. */
    readonly token: string | undefined;
    /** Whose tokens are accepted besides our own. */
    readonly oauth:
      | {
          readonly issuer: string;
          /** Our address as clients know it; undefined: where we listen. */
          readonly resource: string | undefined;
          readonly jwksUrl: string | undefined;
        }
      | undefined;
    readonly corsOrigins: readonly string[];
    /** Requests a minute of each holder of a token; 0: as many as come. */
    readonly ratePerMinute: number;
  };
}

/**
 * Makes the settings from the environment. An empty variable counts as not set: launchers often pass those.
 * @throws RuntimeError CONFIG_INVALID naming each bad variable and what it may be; values of secrets are not repeated.
 */
export function resolveSettings(environment: Environment, platform: Platform): Settings {
  const { values: raw, problems } = readValues(rawSettings, environment);
  if (problems.length > 0) {
    throw new RuntimeError('CONFIG_INVALID', `A setting is not valid. ${problems.join('; ')}.`, {
      hint: 'Correct the variable in the environment or in the .env file; .env.example lists all of them.',
      data: { problems },
    });
  }
  const absolute = (path: string) => (isAbsolute(path) ? path : resolve(platform.workingDirectory, path));
  const home = homePath(environment, platform);
  return Object.freeze<Settings>({
    home,
    configPath:
      raw.MCP_RUNTIME_CONFIG === undefined ? join(home, 'servers.json') : absolute(raw.MCP_RUNTIME_CONFIG),
    configNamed: raw.MCP_RUNTIME_CONFIG !== undefined,
    contentPath:
      raw.TOOL_OFFLOADED_DATA_PATH === undefined ? undefined : absolute(raw.TOOL_OFFLOADED_DATA_PATH),
    maxResultTokens: raw.MAX_RESULT_TOKENS,
    describeImages: raw.DESCRIBE_IMAGES,
    queueSize: raw.BACKGROUND_QUEUE_SIZE,
    queueWorkers: raw.BACKGROUND_QUEUE_MAX_SUBSCRIBERS,
    maxMessageBytes: raw.MAX_MESSAGE_MB * 1024 * 1024,
    backgroundAfterMs: raw.BACKGROUND_AFTER === 0 ? undefined : raw.BACKGROUND_AFTER * 1000,
    answerMs: raw.ANSWER_TIMEOUT * 1000,
    autoStart: raw.AUTO_START,
    maxRunningServers: raw.MAX_RUNNING_SERVERS,
    learnConcurrency: raw.LEARN_CONCURRENCY,
    engineLink: raw.ENGINE_LINK,
    engineIdleTimeoutMs: raw.ENGINE_IDLE_TIMEOUT * 1000,
    logLevel: raw.LOG_LEVEL,
    auditBytes: raw.AUDIT ? raw.AUDIT_MAX_MB * 1024 * 1024 : undefined,
    discovery:
      raw.DISCOVERY_URL === undefined
        ? undefined
        : {
            url: raw.DISCOVERY_URL,
            apiKey: raw.DISCOVERY_API_KEY,
            encryptionKey: raw.DISCOVERY_ENCRYPTION_KEY,
            refreshMs: raw.DISCOVERY_REFRESH * 1000,
          },
    trust: raw.DISCOVERY_TRUST,
    pinTools: raw.PIN_TOOLS === 'ask',
    indexServer: { apiKey: raw.INDEX_API_KEY, encryptionKey: raw.ENCRYPTION_KEY },
    openai: {
      baseUrl: raw.OPENAI_BASE_URL,
      apiKey: raw.OPENAI_API_KEY,
      visionModel: raw.VISION_MODEL_NAME ?? 'gpt-4.1-mini',
      embeddingModel: raw.EMBEDDING_MODEL_NAME,
      dimensions: raw.DIMENSIONS,
      descriptionModel: raw.DESCRIPTION_MODEL_NAME,
    },
    http: {
      token: raw.MCP_RUNTIME_TOKEN,
      oauth:
        raw.OAUTH_ISSUER === undefined
          ? undefined
          : { issuer: raw.OAUTH_ISSUER, resource: raw.OAUTH_RESOURCE, jwksUrl: raw.OAUTH_JWKS_URL },
      corsOrigins: (raw.CORS_ORIGINS ?? '').split(/[\s,]+/).filter((origin) => origin !== ''),
      ratePerMinute: raw.HTTP_RATE_LIMIT,
    },
  });
}
