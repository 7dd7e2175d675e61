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
  let opened: RuntimePort | undefined;
  opening.then(
    (port) => {
      opened = port;
    },
    () => {},
  );
  const calls = Object.fromEntries(
    operationNames.map((name) => {
      const call = (port: RuntimePort, input: never, context: OperationContext) =>
        (port[name] as (input: never, context: OperationContext) => Promise<unknown>).call(
          port,
          input,
          context,
        );
      return [
        name,
        (input: never, context: OperationContext) =>
          opened
            ? call(opened, input, context)
            : untilAborted(opening, context.signal).then((port) => call(port, input, context)),
      ];
    }),
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
