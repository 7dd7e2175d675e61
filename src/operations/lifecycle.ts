import { z } from 'zod';
import { operation } from './operation.js';
import { duration, list, mebibytes, next, plural } from './text.js';

export const manageServer = operation({
  name: 'manage_server',
  title: 'Start or stop a server',
  description:
    'Start a server ahead of use, or shut it down. execute_tool starts servers by itself, so this is seldom needed.',
  input: () => z.object({ server_name: z.string().min(1).max(256), action: z.enum(['start', 'shutdown']) }),
  output: () =>
    z.object({
      server: z.string(),
      state: z.string(),
      took_ms: z.int(),
      tools: z.int(),
      already: z.boolean().optional(),
    }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  text: ({ server, state, took_ms, tools, already }) =>
    `${server} is ${state}${already ? ' already' : ` (took ${duration(took_ms)})`}, ${plural(tools, 'tool')}.` +
    (state === 'ready' ? next('execute_tool.') : ''),
});

const runningServer = () =>
  z.object({
    server: z.string(),
    state: z.string(),
    /** ISO 8601. */
    since: z.string(),
    pid: z.int().optional(),
    /** Of the whole process family. */
    memory_bytes: z.int().optional(),
    in_flight: z.int(),
    calls: z.int(),
  });

const describe = (one: z.output<ReturnType<typeof runningServer>>) =>
  `${one.server} (${one.state}) since ${one.since}${one.pid === undefined ? '' : `, pid ${one.pid}`}` +
  `${one.memory_bytes === undefined ? '' : `, ${mebibytes(one.memory_bytes)}`}, ${one.in_flight} in flight, ${plural(one.calls, 'call')}`;

export const listRunningServers = operation({
  name: 'list_running_servers',
  title: 'Running servers',
  description: 'The servers that run now, with memory and calls.',
  input: () => z.object({}),
  output: () => z.object({ servers: z.array(runningServer()) }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  text: ({ servers }) =>
    list(servers.map(describe), 'No server runs. execute_tool starts one when it is needed.'),
});

export const getStatistics = operation({
  name: 'get_statistics',
  title: 'Statistics',
  description: 'Counts of servers, tools, calls, tasks and kept content.',
  input: () => z.object({}),
  output: () =>
    z.object({
      servers: z.int(),
      tools: z.int(),
      running: z.int(),
      calls: z.int(),
      failed_calls: z.int(),
      tasks: z.record(z.string(), z.int()),
      content: z.object({ items: z.int(), bytes: z.int() }),
      learning: z.object({ waiting: z.int(), failed: z.int() }),
    }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  text: (all) => {
    const tasks = Object.entries(all.tasks).map(([status, count]) => `${count} ${status}`);
    return [
      `${plural(all.servers, 'server')}, ${plural(all.tools, 'tool')}, ${all.running} running`,
      `${plural(all.calls, 'call')}, ${all.failed_calls} failed`,
      `tasks: ${tasks.join(', ') || 'none'}`,
      `content: ${plural(all.content.items, 'item')}, ${mebibytes(all.content.bytes)}`,
      `learning: ${all.learning.waiting} waiting, ${all.learning.failed} failed`,
    ].join('\n');
  },
});

export const learnServers = operation({
  name: 'learn_servers',
  title: 'Learn the tools of servers',
  description: 'Starts servers once to learn their tools and waits until that is done.',
  audience: 'operator',
  input: () => z.object({ server_names: z.array(z.string()).optional(), again: z.boolean().default(false) }),
  output: () =>
    z.object({
      servers: z.array(
        z.object({
          server: z.string(),
          outcome: z.enum(['learnt', 'unchanged', 'failed', 'skipped']),
          tools: z.int(),
          problem: z.string().optional(),
        }),
      ),
    }),
  annotations: { readOnlyHint: false, idempotentHint: true },
  text: ({ servers }) =>
    list(
      servers.map(
        (one) =>
          `${one.server}: ${one.outcome}, ${plural(one.tools, 'tool')}${one.problem ? `. ${one.problem}` : ''}`,
      ),
      'No servers are configured.',
    ),
});

export const getStatus = operation({
  name: 'get_status',
  title: 'State of the engine',
  description: 'The engine, who is connected to it, what runs and what waits.',
  audience: 'operator',
  input: () => z.object({}),
  output: () =>
    z.object({
      engine: z.object({
        pid: z.int(),
        version: z.string(),
        since: z.string(),
        home: z.string(),
        mode: z.string(),
        memory_bytes: z.int(),
        draining: z.boolean(),
      }),
      clients: z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          principal: z.string(),
          since: z.string(),
          in_flight: z.int(),
        }),
      ),
      servers: z.array(runningServer()),
      tasks: z.record(z.string(), z.int()),
    }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  text: ({ engine, clients, servers, tasks }) =>
    [
      `engine ${engine.version} pid ${engine.pid} (${engine.mode}) since ${engine.since}, ${mebibytes(engine.memory_bytes)}, ${engine.home}`,
      ...clients.map(
        (client) => `client ${client.name} ${client.id} since ${client.since}, ${client.in_flight} in flight`,
      ),
      ...servers.map(describe),
      `tasks: ${
        Object.entries(tasks)
          .map(([status, count]) => `${count} ${status}`)
          .join(', ') || 'none'
      }`,
    ].join('\n'),
});

const pin = () =>
  z.object({
    command: z.string().optional(),
    args: z.array(z.string()).readonly().optional(),
    /** Names alone. */
    env: z.array(z.string()).readonly().optional(),
    url: z.string().optional(),
    /** Names alone. */
    headers: z.array(z.string()).readonly().optional(),
  });

export const reviewServer = operation({
  name: 'review_server',
  title: 'Review how an index starts a server',
  description:
    'What a remote index says is started for a server, beside what was accepted before; with `accept`, the hash of what was shown, it is accepted.',
  audience: 'operator',
  input: () => z.object({ server_name: z.string().min(1).max(256), accept: z.string().optional() }),
  output: () => z.object({ server: z.string(), now: pin(), before: pin().optional(), hash: z.string() }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  text: ({ server, now, before }) =>
    [
      `${server}: ${JSON.stringify(now)}`,
      before === undefined ? 'It was never used.' : `Accepted before: ${JSON.stringify(before)}`,
    ].join('\n'),
});
