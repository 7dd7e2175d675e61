/** The library face: what a program that embeds the runtime may rely on. Everything else may change. */
export { DiscoveryClient } from './catalog/remote/discovery-client.js';
export { ContentManager } from './content/content-manager.js';
export type { Caller, OperationContext } from './core/caller.js';
export { errorTable } from './core/error-table.js';
export { type ErrorCode, RuntimeError } from './core/errors.js';
export type { RuntimeEvent } from './core/events.js';
export { Payload } from './core/payload.js';
export { RuntimeEngine } from './engine/engine.js';
export { operations, type Runtime, type RuntimePort } from './operations/table.js';
