import { z } from 'zod';
import type { ToolAnnotations } from '../core/server.js';
import type { Operation } from './operation.js';
import { modelOperations, type OperationName, operations } from './table.js';

type JsonSchema = Readonly<Record<string, unknown>>;

/** A tool as `tools/list` shows it. */
export interface ToolDefinition {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema?: JsonSchema;
  readonly annotations: ToolAnnotations;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** Every client pays for these definitions in each conversation, so what says nothing is left out. */
const SILENT_KEYS = new Set(['$schema', 'additionalProperties', 'minLength', 'maxLength', 'propertyNames']);
const UNBOUNDED = new Set<unknown>([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);

function terse(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(terse);
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept = Object.entries(schema).filter(
    ([key, value]) => !SILENT_KEYS.has(key) && !UNBOUNDED.has(value),
  );
  return Object.fromEntries(kept.map(([key, value]) => [key, terse(value)]));
}

/** Only the first level: a program that wants more reads docs/operations.md, a model needs less. */
function shallow(schema: JsonSchema): JsonSchema {
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, { type?: unknown }>);
  return {
    type: 'object',
    properties: Object.fromEntries(
      properties.map(([name, { type }]) => [name, type === undefined ? {} : { type }]),
    ),
  };
}

export function inputSchema(name: OperationName): JsonSchema {
  return terse(
    z.toJSONSchema(operations[name].input(), { io: 'input', unrepresentable: 'any' }),
  ) as JsonSchema;
}

/** @public Also for scripts/docs.mjs. */
export function outputSchema(name: OperationName): JsonSchema {
  return terse(z.toJSONSchema(operations[name].output(), { unrepresentable: 'any' })) as JsonSchema;
}

function define(row: Operation): ToolDefinition {
  const name = row.name as OperationName;
  return {
    name,
    title: row.title,
    description: row.description,
    inputSchema: inputSchema(name),
    ...(row.answers === 'structured' ? { outputSchema: shallow(outputSchema(name)) } : {}),
    annotations: row.annotations,
    ...(row.meta === undefined ? {} : { _meta: row.meta }),
  };
}

/** The names of these tools, which cost nothing: with their schemas they take a start some 30 ms. */
export const toolNames: readonly string[] = modelOperations.map(({ name }) => name);

let defined: readonly ToolDefinition[] | undefined;

/** The tools a model sees, in a fixed order; computed once. */
export function toolDefinitions(): readonly ToolDefinition[] {
  defined ??= modelOperations.map(define);
  return defined;
}
