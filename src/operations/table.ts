import type { z } from 'zod';
import type { Caller, OperationContext } from '../core/caller.js';
import type { RuntimeEvent } from '../core/events.js';
import { getContent } from './content.js';
import {
  getServerInfo,
  getServerTools,
  getToolDetails,
  listServers,
  searchServers,
  searchTools,
} from './discovery.js';
import { cancelTask, executeTool, listTasks, pollTaskResult } from './execution.js';
import { forwardRequest, listExposed, rootsChanged } from './forwarding.js';
import {
  getStatistics,
  getStatus,
  learnServers,
  listRunningServers,
  manageServer,
  reviewServer,
} from './lifecycle.js';
import type { Operation } from './operation.js';

/** Every operation there is, in the order in which a model sees them. */
export const operations = {
  search_tools: searchTools,
  search_servers: searchServers,
  get_server_info: getServerInfo,
  get_server_tools: getServerTools,
  get_tool_details: getToolDetails,
  list_servers: listServers,
  manage_server: manageServer,
  list_running_servers: listRunningServers,
  execute_tool: executeTool,
  poll_task_result: pollTaskResult,
  cancel_task: cancelTask,
  list_tasks: listTasks,
  get_content: getContent,
  get_statistics: getStatistics,
  learn_servers: learnServers,
  get_status: getStatus,
  list_exposed: listExposed,
  forward_request: forwardRequest,
  roots_changed: rootsChanged,
  review_server: reviewServer,
} as const;

export type OperationName = keyof typeof operations;
export type OperationInput<Name extends OperationName> = z.output<
  ReturnType<(typeof operations)[Name]['input']>
>;
export type OperationOutput<Name extends OperationName> = z.output<
  ReturnType<(typeof operations)[Name]['output']>
>;

/**
 * What an engine does, and what the far end of a wire does too: one method per row of the table, with parsed
 * input. Every method rejects with a RuntimeError.
 */
export type Runtime = {
  readonly [Name in OperationName]: (
    input: OperationInput<Name>,
    context: OperationContext,
  ) => Promise<OperationOutput<Name>>;
};

export const operationNames = Object.keys(operations) as readonly OperationName[];

export const isOperationName = (name: string): name is OperationName => Object.hasOwn(operations, name);

/** The rows that a model may see. */
export const modelOperations: readonly Operation[] = operationNames
  .map((name): Operation => operations[name] as unknown as Operation)
  .filter((row) => row.audience === 'model');

/**
 * A runtime as a face gets it: its operations, the coming and going of clients, and what happens meanwhile.
 * The engine is one, and so is the client of the wire: a face cannot tell them apart.
 */
export type RuntimePort = Runtime & {
  /** Says that a client is there. @returns how to say that it left: its waiting calls are then withdrawn. */
  attach(caller: Caller): () => void;
  /** @returns the way to unsubscribe. */
  subscribe(listener: (event: RuntimeEvent) => void): () => void;
};
