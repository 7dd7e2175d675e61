import type { OperationContext } from '../core/caller.js';
import { RuntimeError } from '../core/errors.js';
import type { Payload } from '../core/payload.js';
import type { CallToolResult } from '../core/upstream.js';
import type { Logger } from '../lib/log.js';
import { nearest } from '../lib/nearest.js';
import { invoke } from '../operations/invoke.js';
import {
  isOperationName,
  type OperationName,
  type OperationOutput,
  operations,
  type Runtime,
} from '../operations/table.js';
import { type ToolDefinition, toolDefinitions, toolNames } from '../operations/tool-definition.js';
import { errorResult, unexpected } from './error-result.js';
import type { Expose } from './expose.js';
import { INVALID_PARAMS, ProtocolError } from './protocol-error.js';
import { ROUTER_NAME, routerDefinition, unwrapRouterCall } from './router.js';

export const exposedTools = (expose: Expose): readonly ToolDefinition[] =>
  expose === 'tools' ? toolDefinitions() : expose === 'router' ? [routerDefinition()] : [];

/**
 * Runs one `tools/call`. A failure of the tool is a result with `isError`, so that the model can act on it.
 * @throws ProtocolError -32602 when there is no such tool: the client asked for what was never listed.
 */
export async function callTool(
  runtime: Runtime,
  expose: Expose,
  params: Readonly<Record<string, unknown>> | undefined,
  context: OperationContext,
  logger: Logger,
): Promise<CallToolResult | Payload<CallToolResult>> {
  const name = listedName(params?.['name'], expose);
  try {
    const call =
      name === ROUTER_NAME ? unwrapRouterCall(params?.['arguments']) : { name, args: params?.['arguments'] };
    if (!isOperationName(call.name)) throw new Error(`a tool without an operation: ${call.name}`);
    return await runOperation(runtime, call.name, call.args, context);
  } catch (error) {
    const known = unexpected(error);
    if (!context.signal.aborted && !(error instanceof RuntimeError)) {
      logger.error({ err: error, tool: name }, 'a tool call failed in a way nobody foresaw');
    }
    return errorResult(known);
  }
}

/** Runs an operation and gives its answer as a tool's result. */
export function runOperation<Name extends OperationName>(
  runtime: Runtime,
  name: Name,
  args: unknown,
  context: OperationContext,
): Promise<CallToolResult | Payload<CallToolResult>> {
  // The table pairs each output with its own presenter; the compiler cannot see that through the union of its rows.
  const { present } = operations[name] as {
    present: (output: OperationOutput<Name>) => CallToolResult | Payload<CallToolResult>;
  };
  return invoke(runtime, name, args, context).then(present);
}

/** The server that a call was about: from now on its news concern the client. Not one that it was told not to know. */
export function serverOf(
  params: Readonly<Record<string, unknown>>,
  answer: CallToolResult | Payload | Readonly<Record<string, unknown>>,
): string | undefined {
  const { server_name } = (params['arguments'] ?? {}) as { server_name?: unknown };
  const { structuredContent } = answer as { structuredContent?: { error?: { code?: unknown } } };
  const unknown = structuredContent?.error?.code === 'SERVER_NOT_FOUND';
  return typeof server_name === 'string' && !unknown ? server_name : undefined;
}

const namesShown = (expose: Expose): readonly string[] =>
  expose === 'tools' ? toolNames : expose === 'router' ? [ROUTER_NAME] : [];

const namesOf: Partial<Record<Expose, ReadonlySet<string>>> = {};

function listedName(name: unknown, expose: Expose): string {
  if (typeof name !== 'string') {
    throw new ProtocolError(INVALID_PARAMS, 'tools/call needs the name of a tool.');
  }
  namesOf[expose] ??= new Set(namesShown(expose));
  if (namesOf[expose].has(name)) return name;
  const names = [...namesOf[expose]];
  const alike = nearest(name, names);
  throw new ProtocolError(
    INVALID_PARAMS,
    alike.length > 0
      ? `There is no such tool here. Did you mean ${alike.join(' or ')}?`
      : `There is no such tool here. The tools are ${names.join(', ')}.${
          names.includes('execute_tool') ? ' Tools of other servers are run with execute_tool.' : ''
        }`,
    { nearest: alike },
  );
}
