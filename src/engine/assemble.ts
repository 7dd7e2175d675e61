import { join } from 'node:path';
import type { Catalog } from '../catalog/catalog.js';
import { ContentManager } from '../content/content-manager.js';
import type { VisionOptions } from '../content/vision.js';
import type { RuntimeEvent } from '../core/events.js';
import type { UpstreamSession } from '../core/upstream.js';
import type { Emitter } from '../lib/emitter.js';
import { Journal } from '../lib/journal/writer.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { Admission } from './admission.js';
import { AuditTrail } from './audit-trail.js';
import { ClientRoots } from './client-roots.js';
import { type Discovery, openDiscovery } from './discovery.js';
import type { EngineOptions } from './engine-options.js';
import { Executor } from './executor.js';
import { Forwarding } from './forwarding.js';
import { Gate } from './gate.js';
import { Learner } from './learner.js';
import { Learning } from './learning.js';
import { type Library, openLibrary } from './library.js';
import { Roster } from './roster.js';
import { Supervisor } from './supervisor.js';
import { taskLink } from './task-link.js';
import { failWithServer } from './waiting-tasks.js';
import { inWorkspace, workspaceOf } from './workspace.js';

/** What a killed engine loses of its audit log at most, ms. */
const AUDIT_GATHER_MS = 250;

/** What an engine is made of. */
export interface Parts {
  readonly library: Library;
  readonly catalog: Catalog;
  readonly gate: Gate;
  readonly admission: Admission;
  readonly audit: AuditTrail;
  readonly content: ContentManager;
  readonly roots: ClientRoots;
  readonly supervisor: Supervisor;
  readonly learner: Learner;
  readonly learning: Learning;
  readonly executor: Executor;
  readonly forwarding: Forwarding;
  readonly tasks: TaskQueue;
  readonly discovery: Discovery;
  readonly roster: Roster;
}

/** Makes the parts in the order in which they need one another; the engine ends them in reverse. */
export async function assemble(options: EngineOptions, events: Emitter<RuntimeEvent>): Promise<Parts> {
  const { settings, logger, stateDirectory } = options;
  const library = openLibrary(settings, logger, events);
  const { catalog } = library;
  const gate = new Gate(catalog);
  const audit = new AuditTrail(journalOf(options), catalog);
  const content = await ContentManager.open({
    directory: options.contentDirectory,
    maxResultTokens: settings.maxResultTokens,
    vision: visionOf(settings),
    logger,
  });
  const clientRoots = new ClientRoots();
  // These know each other only through these calls, so that none has to be made before the others.
  const supervisor: Supervisor = new Supervisor({
    open: async (definition, tenant, signal) => {
      const entry = catalog.get(definition.name);
      const prior = entry?.stale === undefined ? entry?.identity?.protocolVersion : undefined;
      const resolved = await discovery.resolve(definition, signal);
      if (resolved.sharing !== 'per-client')
        return options.open(resolved, tenant, signal, prior, () => undefined);
      const { roots, directory } = await workspaceOf(tenant.client, signal);
      const own = inWorkspace(resolved, directory, settings.home);
      return clientRoots.during(tenant.clientId, roots, (now) =>
        options.open(own, tenant, signal, prior, now),
      );
    },
    maxRunning: settings.maxRunningServers,
    logger,
    onState: (server, state) => events.emit({ type: 'server-state', server, state }),
    onReady: (server, session, clientId) => {
      learner.follow(server, session);
      announce(server, session, clientId, events);
      learner.refresh(server, session).catch((error: unknown) => {
        logger.warn(
          { server, error: error instanceof Error ? error.message : String(error) },
          'tools could not be listed',
        );
      });
    },
  });
  const learner = new Learner({
    catalog,
    supervisor,
    concurrency: settings.learnConcurrency,
    logger,
    onChange: (server) => events.emit({ type: 'catalog-changed', servers: [server] }),
  });
  const executor = new Executor({
    catalog,
    gate,
    supervisor,
    learner,
    content,
    autoStart: settings.autoStart,
  });
  const admission = new Admission({ gate, executor, learner });
  const forwarding = new Forwarding({ gate, admission, learner, executor });
  const tasks = await TaskQueue.open({
    database: join(stateDirectory, 'tasks.db'),
    directory: join(stateDirectory, 'tasks'),
    size: settings.queueSize,
    workers: settings.queueWorkers,
    logger,
    answerMs: settings.answerMs,
    run: (task, context) => {
      const call = executor.run(task, { ...context, client: taskLink(task, context) });
      return audit.task(task, context.taskId, call);
    },
  });
  tasks.subscribe((event) => events.emit(event));
  events.subscribe((event) => failWithServer(event, { catalog, tasks }));
  const emit = (event: RuntimeEvent) => events.emit(event);
  const discovery = openDiscovery(settings, logger, library.pins, () => {
    roster
      .apply()
      .catch((error: unknown) => logger.error({ error: String(error) }, 'the index could not be applied'));
  });
  const roster: Roster = new Roster(options.servers, {
    library,
    gate,
    audit,
    supervisor,
    tasks,
    discovery,
    emit,
  });
  const learning = new Learning(catalog, learner, discovery);
  return {
    library,
    catalog,
    gate,
    admission,
    audit,
    content,
    roots: clientRoots,
    supervisor,
    learner,
    learning,
    executor,
    forwarding,
    tasks,
    discovery,
    roster,
  };
}

/** All engines of a home write to one journal. */
function journalOf({ settings, logger }: EngineOptions): Journal | undefined {
  const { home, auditBytes } = settings;
  if (auditBytes === undefined) return undefined;
  return new Journal({
    directory: join(home, 'audit'),
    maxBytes: auditBytes,
    gatherMs: AUDIT_GATHER_MS,
    onError: (error) => logger.error({ error: String(error) }, 'the audit log could not be written'),
  });
}

/** Ends everything, in the reverse order of its making. */
export async function takeDown(parts: Parts): Promise<void> {
  const { learner, tasks, supervisor, content, library, discovery, audit } = parts;
  learner.close();
  // Servers are ended while tasks wind up: a task may hang in a call that only the end of its server ends.
  await Promise.all([tasks.close(), supervisor.close(), discovery.close()]);
  content.close();
  await Promise.all([library.close(), audit.close()]);
}

/** Hands on what a server tells everybody who uses it. */
function announce(
  server: string,
  session: UpstreamSession,
  clientId: string | undefined,
  events: Emitter<RuntimeEvent>,
): void {
  const unsubscribe = session.subscribe((event) => {
    if (event.type === 'notification') {
      const { method, params } = event;
      events.emit({ type: 'server-notification', server, clientId, method, params });
    }
    if (event.type === 'log' && event.belongs === undefined) {
      const { level, logger, data } = event;
      const params = { level, ...(logger === undefined ? {} : { logger }), data };
      events.emit({ type: 'server-notification', server, clientId, method: 'notifications/message', params });
    }
  });
  void session.ended.then(unsubscribe);
}

/** An endpoint of one's own needs no key; without either nobody is asked. */
function visionOf({ describeImages, openai }: EngineOptions['settings']): VisionOptions | undefined {
  const { baseUrl, apiKey, visionModel: model } = openai;
  if (!describeImages || (baseUrl === undefined && apiKey === undefined)) return undefined;
  return { baseUrl: baseUrl ?? 'https://api.openai.com/v1', apiKey, model };
}
