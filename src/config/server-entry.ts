import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import type { ServerDefinition, ServerLimits } from '../core/server.js';
import { canonicalJson, sha256 } from '../lib/hash.js';
import { nearest } from '../lib/nearest.js';
import { valuesOutOfArguments } from './container-env.js';
import { type Expansion, expand } from './expand.js';
import { parsePolicy } from './policy.js';
import { parseSandbox } from './sandbox.js';
import { secretMisuse, secretsIn } from './secrets/placeholders.js';
import type { Environment } from './settings.js';

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const seconds = z.number().positive().max(86_400);

const mebibytes = z.number().min(16).max(16_777_216);
/** What its processes may take. Sizes in MiB. */
const limits = z.strictObject({
  memory: mebibytes.optional(),
  cpu: z.number().min(0.05).max(1_024).optional(),
  processes: z.int().min(1).max(100_000).optional(),
  openFiles: z.int().min(16).max(1_048_576).optional(),
  fileSize: z.number().min(1).max(16_777_216).optional(),
});

/** One entry of `mcpServers`: what clients already write, and our additions. Times in seconds, memory in MiB. */
const rawServer = z.object({
  command: z.string().min(1).optional(),
  args: z.array(scalar).optional(),
  env: z.record(z.string(), scalar).optional(),
  cwd: z.string().min(1).optional(),
  type: z.enum(['stdio', 'http', 'streamable-http', 'streamableHttp', 'sse']).optional(),
  transport: z.enum(['stdio', 'http', 'streamable-http', 'streamableHttp', 'sse']).optional(),
  url: z.url({ protocol: /^https?$/ }).optional(),
  headers: z.record(z.string(), scalar).optional(),
  timeout: seconds.optional(),
  idleTimeout: z.number().min(0).max(31_536_000).optional(),
  maxConcurrency: z.int().min(1).max(10_000).optional(),
  sharing: z.enum(['shared', 'per-client']).optional(),
  restart: z.enum(['never', 'on-failure', 'always']).optional(),
  memoryLimit: mebibytes.optional(),
  limits: limits.optional(),
  resetTimeoutOnProgress: z.boolean().optional(),
  maxTimeout: seconds.optional(),
  hints: z.union([z.array(z.string()), z.string().transform((one) => [one])]).optional(),
  blocked_tools: z.array(z.string()).optional(),
  pin: z.union([z.boolean(), z.array(z.string())]).optional(),
  policy: z.unknown().optional(),
  sandbox: z.unknown().optional(),
  ignore: z.boolean().optional(),
  overwrite: z.boolean().optional(),
  disabled: z.boolean().optional(),
});

export type RawServer = z.input<typeof rawServer>;

/** Keys that other clients keep in the same file; they mean nothing here and are no mistake. */
const foreignKeys = new Set([
  'alwaysAllow',
  'autoApprove',
  'disabledTools',
  'description',
  'name',
  'icon',
  'trust',
  'includeTools',
  'excludeTools',
  'envFile',
  'dev',
  'gallery',
  'version',
  'tools',
  'enabled',
  'oauth',
]);

type Resolved =
  | { readonly definition: ServerDefinition; readonly warnings: readonly string[] }
  | { readonly definition: undefined; readonly error: string; readonly warnings: readonly string[] };

const DEFAULT_START_S = 30;
const DEFAULT_IDLE_S = 600;
const DEFAULT_CONCURRENCY = 64;
const DEFAULT_MAX_CALL_S = 600;

/** Raw entry -> resolved definition, or what is wrong with it in one sentence. */
export function resolveServer(
  name: string,
  entry: unknown,
  options: { environment: Environment; baseDirectory: string; source?: ServerDefinition['source'] },
): Resolved {
  const warnings: string[] = [];
  const refuse = (why: string): Resolved => ({
    definition: undefined,
    error: `Server "${name}": ${why}`,
    warnings,
  });
  if (name === '' || name.length > 256) return refuse('the name must have 1 to 256 characters.');
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    return refuse('its entry must be an object.');
  for (const key of Object.keys(entry)) {
    if (key in rawServer.shape || foreignKeys.has(key)) continue;
    const [like] = nearest(key, Object.keys(rawServer.shape), 1);
    warnings.push(
      `Server "${name}": the key "${key}" is not known${like ? ` (did you mean "${like}"?)` : ''}; it is not used.`,
    );
  }
  const parsed = rawServer.safeParse(entry);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'entry'}: ${issue.message}`);
    return refuse(`${issues.join('; ')}.`);
  }
  const raw = parsed.data;
  const unknown =
    warnings.length > 0
      ? ` ${warnings.map((warning) => warning.replace(/^Server "[^"]*": t/, 'T')).join(' ')}`
      : '';
  if (raw.command !== undefined && raw.url !== undefined)
    return refuse('it has both "command" and "url"; keep one.');
  if (raw.command === undefined && raw.url === undefined)
    return refuse(`it has neither "command" (to start it) nor "url" (to reach it).${unknown}`);

  const { args, env } = valuesOutOfArguments(raw.command ?? '', raw.args ?? [], raw.env ?? {});
  const may = [raw.url ?? '', ...Object.values(env), ...Object.values(raw.headers ?? {})];
  const misuse = secretMisuse({
    exposed: { command: [raw.command ?? ''], args, cwd: [raw.cwd ?? ''] },
    all: may,
  });
  if (misuse !== undefined) return refuse(misuse);
  const policy = raw.policy === undefined ? undefined : parsePolicy(raw.policy, 'tools');
  if (policy?.policy === undefined && policy) return refuse(`policy: ${policy.problems.join('; ')}.`);
  const expansion: Expansion = { needs: new Set(), missing: new Set() };
  const fill = (value: string) => expand(value, options.environment, expansion);
  const fillAll = (values: Record<string, string> = {}) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, fill(value)]));
  const base = {
    name,
    startTimeoutMs: (raw.timeout ?? DEFAULT_START_S) * 1000,
    idleTimeoutMs: (raw.idleTimeout ?? DEFAULT_IDLE_S) * 1000,
    maxConcurrency: raw.maxConcurrency ?? DEFAULT_CONCURRENCY,
    // What stands for the directory of a client makes a server of that client.
    sharing:
      raw.sharing ?? (/\$\{workspace(?:Root|Folder)\}/.test(JSON.stringify(entry)) ? 'per-client' : 'shared'),
    restart: raw.restart ?? 'on-failure',
    ...limitsOf(raw),
    resetTimeoutOnProgress: raw.resetTimeoutOnProgress ?? false,
    maxTimeoutMs: (raw.maxTimeout ?? DEFAULT_MAX_CALL_S) * 1000,
    hints: raw.hints ?? [],
    blockedTools: raw.blocked_tools ?? [],
    ...(raw.pin === undefined || raw.pin === false ? {} : { pin: raw.pin }),
    ...(policy ? { policy: policy.policy } : {}),
    disabled: raw.disabled ?? false,
    overwrite: raw.overwrite ?? false,
    source: options.source ?? 'file',
    written: writtenHash(raw),
  } as const;
  const kind = raw.type ?? raw.transport;
  let definition: ServerDefinition;
  if (raw.command !== undefined) {
    if (kind !== undefined && kind !== 'stdio')
      return refuse(`it has a "command", but its type is "${kind}".`);
    const cwd = raw.cwd === undefined ? undefined : fill(raw.cwd);
    const box =
      raw.sandbox === undefined || raw.sandbox === false
        ? undefined
        : parseSandbox(raw.sandbox, fill, options.baseDirectory);
    if (box && !box.sandbox) return refuse(`sandbox: ${box.problems.join('; ')}.`);
    definition = {
      ...base,
      transport: 'stdio',
      command: fill(raw.command),
      args: args.map(fill),
      env: fillAll(env),
      cwd: cwd === undefined || isAbsolute(cwd) ? cwd : resolve(options.baseDirectory, cwd),
      ...(box ? { sandbox: box.sandbox } : {}),
      needs: [...expansion.needs, ...secretsIn(may)],
    };
  } else {
    if (raw.sandbox)
      return refuse('it has a sandbox, but it runs elsewhere; that is for servers with a "command".');
    if (kind === 'stdio') return refuse('it has a "url", but its type is "stdio".');
    if (base.limits)
      return refuse('it has limits, but it runs elsewhere; they are for servers with a "command".');
    const transport = kind === 'sse' ? 'sse' : 'streamable-http';
    definition = {
      ...base,
      transport,
      url: fill(raw.url ?? ''),
      headers: fillAll(raw.headers),
      needs: [...expansion.needs, ...secretsIn(may)],
    };
  }
  if (expansion.missing.size > 0) {
    return refuse(
      `the environment variable ${[...expansion.missing].join(', ')} is not set, and it is needed.`,
    );
  }
  return { definition: Object.freeze(definition), warnings };
}

/** What the user wrote of how a server is started or reached; a variable that gets another value changes nothing of it. */
function writtenHash({ command, args, env, cwd, url, headers }: z.output<typeof rawServer>): string {
  return sha256(canonicalJson({ command, args, env, cwd, url, headers }));
}

/** `memoryLimit` stands for `limits.memory`, which counts where both are there. */
function limitsOf({ memoryLimit, limits }: z.output<typeof rawServer>): { limits?: ServerLimits } {
  const memory = limits?.memory ?? memoryLimit;
  if (memory === undefined && limits === undefined) return {};
  const bytes = (mib: number | undefined) => (mib === undefined ? undefined : Math.round(mib * 1_048_576));
  const { cpu, processes, openFiles, fileSize } = limits ?? {};
  return {
    limits: { memoryBytes: bytes(memory), cpuCores: cpu, processes, openFiles, fileBytes: bytes(fileSize) },
  };
}
