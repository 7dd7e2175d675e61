import type { Caller, OperationContext } from '../core/caller.js';
import type { RuntimeEvent } from '../core/events.js';
import { untilAborted } from '../lib/abort.js';
import { operationNames, type Runtime, type RuntimePort } from '../operations/table.js';

/**
 * A runtime that is still on its way: a client is greeted and shown the tools at once, and only what needs the engine
 * waits for it.
 */
export function lazyPort(opening: Promise<RuntimePort>): RuntimePort {
  // Whoever calls an operation hears of a failure; until then nobody needs to.
  opening.catch(() => {});
  const calls = Object.fromEntries(
    operationNames.map((name) => [
      name,
      async (input: never, context: OperationContext) => {
        const port = await untilAborted(opening, context.signal);
        const method = port[name] as (input: never, context: OperationContext) => Promise<unknown>;
        return method.call(port, input, context);
      },
    ]),
  ) as unknown as Runtime;
  /** Does it once the port is there, unless it was taken back before; the result is how to undo it. */
  const later = (action: (port: RuntimePort) => () => void) => {
    let undo: (() => void) | undefined;
    let over = false;
    opening.then(
      (port) => {
        if (!over) undo = action(port);
      },
      () => {},
    );
    return () => {
      over = true;
      undo?.();
      undo = undefined;
    };
  };
  return {
    ...calls,
    attach: (caller: Caller) => later((port) => port.attach(caller)),
    subscribe: (listener: (event: RuntimeEvent) => void) => later((port) => port.subscribe(listener)),
  };
}
