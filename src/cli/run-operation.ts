import { Payload } from '../core/payload.js';
import type { CallToolResult, Progress } from '../core/upstream.js';
import { createLogger } from '../lib/log.js';
import { invoke } from '../operations/invoke.js';
import { type OperationName, type OperationOutput, operations } from '../operations/table.js';
import { type GlobalFlags, loadSettings } from './environment.js';
import { createOutput, type Output } from './output.js';
import { commandCaller, joinRunning, openEmbedded, type RuntimeHandle } from './runtime.js';

/** A command gets a runtime, does its work, and lets go of it, whatever happens; Ctrl-C withdraws the work first. */
export async function withRuntime(
  flags: GlobalFlags,
  work: (runtime: RuntimeHandle, output: Output, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const output = createOutput({ json: flags.json === true });
  const interrupted = new AbortController();
  const stop = () => interrupted.abort(new Error('interrupted'));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  let runtime: RuntimeHandle | undefined;
  try {
    const { settings, environment } = loadSettings(flags);
    const logger = createLogger(settings.logLevel);
    const options = { settings, environment, logger, name: 'command', note: output.note };
    // A command starts no engine that would outlive it: it joins the one that runs, or is its own.
    runtime = (await joinRunning(options)) ?? (await openEmbedded(options));
    return await work(runtime, output, interrupted.signal);
  } catch (error) {
    return output.failure(error);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await runtime?.close();
  }
}

/** Runs one operation of the table and prints its answer. @returns the exit code. */
export function runOperation<Name extends OperationName>(
  flags: GlobalFlags,
  name: Name,
  input: unknown,
  onProgress?: (progress: Progress, output: Output) => void,
): Promise<number> {
  return withRuntime(flags, async (runtime, output, signal) => {
    const answer = await invoke(runtime.port, name, input, {
      caller: commandCaller(name),
      signal,
      ...(onProgress === undefined ? {} : { progress: (progress: Progress) => onProgress(progress, output) }),
    });
    return printAnswer(output, name, answer);
  });
}

/** @returns 0, or 6 when a tool said that it failed. */
export async function printAnswer<Name extends OperationName>(
  output: Output,
  name: Name,
  answer: OperationOutput<Name>,
): Promise<number> {
  const present = operations[name].present as (
    output: OperationOutput<Name>,
  ) => CallToolResult | Payload<CallToolResult>;
  const presented = present(answer);
  const result = presented instanceof Payload ? presented.value : presented;
  await output.answer(textOf(result), result.structuredContent ?? result);
  return result.isError === true ? 6 : 0;
}

function textOf(result: CallToolResult): string {
  return (result.content ?? [])
    .map((block) => (typeof block['text'] === 'string' ? block['text'] : `[${block.type}]`))
    .join('\n');
}
