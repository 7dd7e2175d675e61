import type { z } from 'zod';
import type { Payload } from '../core/payload.js';
import type { ToolAnnotations } from '../core/server.js';
import type { CallToolResult } from '../core/upstream.js';

/** Who may see an operation: a model through MCP, a person at the command line, or a front-end by itself. */
export type Audience = 'model' | 'operator' | 'face';

/**
 * One operation as data: everything that a face needs to offer it. MCP tools, wire methods and CLI commands are
 * derived from this; nothing about an operation stands anywhere else.
 */
export interface Operation<
  Name extends string = string,
  Input extends z.ZodType = z.ZodType,
  Output extends z.ZodType = z.ZodType,
> {
  readonly name: Name;
  readonly title: string;
  /** For a model: what it does, when to use it, what to call next. */
  readonly description: string;
  readonly audience: Audience;
  /** Makes the schema. Most processes need few of them, and making all took a fifth of what an engine needs to be loaded. */
  readonly input: () => Input;
  readonly output: () => Output;
  /** Whether `structuredContent` is the output itself. `verbatim`: the answer is content that came from elsewhere. */
  readonly answers: 'structured' | 'verbatim';
  readonly annotations: ToolAnnotations;
  /** `_meta` of the tool's definition. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** The answer as an MCP result. A payload passes through as the bytes it is. */
  present(output: z.output<Output>): CallToolResult | Payload<CallToolResult>;
}

interface StructuredSpec<Name extends string, Input extends z.ZodType, Output extends z.ZodType> {
  readonly name: Name;
  readonly title: string;
  readonly description: string;
  readonly audience?: Audience;
  readonly input: () => Input;
  readonly output: () => Output;
  readonly annotations: ToolAnnotations;
  /** The same facts as the output, as short text for a model. */
  text(output: z.output<Output>): string;
}

/** An operation whose text and `structuredContent` say the same. */
export function operation<const Name extends string, Input extends z.ZodType, Output extends z.ZodType>(
  spec: StructuredSpec<Name, Input, Output>,
): Operation<Name, Input, Output> {
  const { text, audience = 'model', ...facts } = spec;
  return {
    ...facts,
    audience,
    answers: 'structured',
    present: (output) => ({
      content: [{ type: 'text', text: text(output) }],
      structuredContent: output,
    }),
  };
}
