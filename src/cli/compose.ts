import { createHash, randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { readPolicyFile } from '../config/policy-file.js';
import { secretsOf } from '../config/secrets/placeholders.js';
import { readServersFile, type ServersFile } from '../config/servers-file.js';
import type { Environment, Settings } from '../config/settings.js';
import { RuntimeEngine } from '../engine/engine.js';
import type { Logger } from '../lib/log.js';
import { ensurePrivateDir } from '../lib/private-dir.js';
import { askOwner, BRIDGED_CAPABILITIES, bridgedPart } from '../upstream/bridge.js';
import { authorizedFetch } from '../upstream/oauth/authorized-fetch.js';
import { TokenStore } from '../upstream/oauth/token-store.js';
import { openSession } from '../upstream/open-session.js';
import { familyMemory } from '../upstream/stdio/family-memory.js';
import { ownerMark } from '../upstream/stdio/orphans.js';
import { PackageStarts } from '../upstream/stdio/package-starts.js';
import { endLeftovers, type LeftoverOptions } from './leftovers.js';
import { MARKER } from './marker.js';
import { openSecrets } from './secret.js';
import { ServerSecrets } from './server-secrets.js';
import { packageVersion } from './version.js';
import { watchFile } from './watch-servers.js';
import { workDirectory } from './work-directory.js';

export interface ComposeOptions {
  readonly settings: Settings;
  readonly environment: Environment;
  readonly logger: Logger;
  /** Where tasks and content are kept; no other engine may use it. */
  readonly stateDirectory: string;
  /** Whose secrets servers get, where that is not the home of the settings. */
  readonly secretsHome?: string;
  /** How the engine is reached, for people. */
  readonly mode: string;
  /** How the engine of this place before ended, where that is known. */
  readonly before?: LeftoverOptions['before'];
  /** Instead of the servers file, which is then neither read nor watched. */
  readonly servers?: ServersFile;
  /** Said by list_servers besides what is wrong with the servers file. */
  readonly problems?: readonly string[];
}

export interface ComposedEngine {
  readonly engine: RuntimeEngine;
  close(): Promise<void>;
}

/** The composition root: an engine in this process, with everything it needs. */
export async function composeEngine(options: ComposeOptions): Promise<ComposedEngine> {
  const { settings, environment, logger, stateDirectory } = options;
  const version = packageVersion();
  const home = createHash('sha256').update(settings.home).digest('hex').slice(0, 12);
  const marker = { name: MARKER, value: await ownerMark(`${home}.${randomUUID().slice(0, 8)}`) };
  const baseEnv = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const packages = new PackageStarts();
  const tokens = new TokenStore(join(settings.home, 'oauth'));
  const store = openSecrets(options.secretsHome ?? settings.home, environment);
  const secrets = new ServerSecrets(store);
  const containerDirectory = join(settings.home, 'containers');
  const policyPath = join(settings.home, 'policy.json');
  // A host that brings servers of its own decides by itself what of them is shown.
  const policy = options.servers ? undefined : await readPolicyFile(policyPath);
  for (const problem of policy?.problems ?? []) logger.error(problem);
  let servers = options.servers ?? (await readServers(options));
  const leftovers = endLeftovers({
    mark: home,
    containers: containerDirectory,
    environment: baseEnv,
    logger,
    before: options.before,
  });
  const engine = await RuntimeEngine.start({
    settings,
    stateDirectory,
    // A directory the user named belongs to one engine only: the one that has the home.
    contentDirectory:
      (stateDirectory === settings.home ? settings.contentPath : undefined) ??
      join(stateDirectory, 'content'),
    servers,
    policy,
    open: async (definition, { client }, signal, prior, roots) => {
      await leftovers.untilSafe;
      const start = await secrets.prepare(definition, client, signal);
      return openSession(start.definition, {
        signal,
        conceal: start.conceal,
        marker,
        baseEnv,
        logger,
        clientInfo: { name: 'mcp-runtime', version },
        maxMessageBytes: settings.maxMessageBytes,
        packages,
        containerDirectory,
        ...(definition.transport === 'stdio' && definition.cwd === undefined
          ? { cwd: await workDirectory(settings.home, definition.name) }
          : {}),
        hide: [settings.home],
        authorize: (remote, send) => authorizedFetch(remote, send, tokens, logger),
        prior,
        onRequest: async (method, params, owner) =>
          method === 'roots/list' && roots() !== undefined && owner.client === undefined
            ? { roots: roots() }
            : askOwner(method, params, owner, settings.answerMs),
        answerMs: settings.answerMs,
        // A server of its own is told what this client can do; one for all, what any of them might. A client of the
        // stateless revision says it anew with each request.
        capabilities:
          definition.sharing === 'per-client' && client && client.round === undefined
            ? bridgedPart(client.capabilities)
            : BRIDGED_CAPABILITIES,
      });
    },
    familyMemory,
    logger,
    version,
    pid: process.pid,
    mode: options.mode,
    memory: () => process.memoryUsage.rss(),
  });
  const reload = async () => {
    const file = await readServers(options);
    // A file that cannot be read at all is a slip of the pen, not a wish to lose every server.
    const broken = file.problems.some((problem) => problem.fatal && problem.server === undefined);
    servers = broken ? { ...servers, problems: file.problems } : file;
    await engine.applyServers(servers);
    engine.learnInBackground();
  };
  const unwatch = options.servers
    ? []
    : [
        watchFile(settings.configPath, () => {
          reload().catch((error: unknown) =>
            logger.error({ error: String(error) }, 'the servers file could not be applied'),
          );
        }),
        watchFile(policyPath, () => {
          void readPolicyFile(policyPath).then((file) => {
            for (const problem of file.problems) logger.error(problem);
            engine.applyPolicy(file);
          });
        }),
      ];
  // What runs with an old value is stopped, after its calls if they are short; what waited for one is tried again.
  const renew = async (names: ReadonlySet<string>) => {
    const affected = servers.definitions.filter((one) => secretsOf(one).some((name) => names.has(name)));
    await engine.stopServers(affected.map(({ name }) => name));
    engine.learnInBackground();
  };
  await ensurePrivateDir(dirname(store.path));
  const unwatchSecrets = secrets.watch((names) => void renew(names));
  return {
    engine,
    close: async () => {
      leftovers.stop();
      for (const stop of unwatch) stop();
      unwatchSecrets();
      await Promise.all([engine.close(), packages.close()]);
    },
  };
}

/** The servers file of these settings, with what is wrong in it. */
export async function readServers({
  settings,
  environment,
  logger,
  problems = [],
}: Pick<ComposeOptions, 'settings' | 'environment' | 'logger' | 'problems'>): Promise<ServersFile> {
  const file = await readServersFile(settings.configPath, {
    environment,
    mustExist: settings.configNamed,
    baseDirectory: dirname(settings.configPath),
  });
  for (const problem of file.problems) logger.warn({ server: problem.server }, problem.message);
  return { ...file, problems: [...problems.map((message) => ({ message, fatal: false })), ...file.problems] };
}
