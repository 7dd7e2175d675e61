import type { OperationContext } from '../core/caller.js';
import type { Payload } from '../core/payload.js';
import type { CallToolResult } from '../core/upstream.js';
import type { Runtime } from '../operations/table.js';
import { runOperation } from './call.js';
import { errorResult, unexpected } from './error-result.js';
import type { ExposedTool, Exposure } from './exposure.js';
import { asProtocolError, type Native } from './native.js';

/**
 * Runs one `tools/call` of a tool that is shown as if it were ours. Beside our own tools what is too large is kept for
 * `get_content`; where there are none, everything goes through as it is.
 * @throws ProtocolError that of the server, where it answered with one.
 */
export async function callExposed(
  { server, name }: ExposedTool,
  params: Readonly<Record<string, unknown>>,
  { port, native, exposure, operation }: ExposedCall,
): Promise<CallToolResult | Payload> {
  try {
    if (exposure.direct) return await native.call(server, { ...params, name }, operation);
    const given = { server_name: server, tool_name: name, arguments: params['arguments'] };
    return await runOperation(port, 'execute_tool', given, operation);
  } catch (error) {
    const known = unexpected(error);
    if (known.code === 'UPSTREAM_ERROR') throw asProtocolError(known);
    return errorResult(known);
  }
}

interface ExposedCall {
  readonly port: Runtime;
  readonly native: Native;
  readonly exposure: Exposure;
  readonly operation: OperationContext;
}
