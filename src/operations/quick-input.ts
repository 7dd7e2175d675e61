import type { OperationInput, OperationName } from './table.js';

const KEYS = new Set(['server_name', 'tool_name', 'arguments', 'timeout', 'in_background', 'priority']);

/**
 * The input of a plain `execute_tool` checked by hand: its schema was 7 % of the cost of a small call, and is asked
 * at both ends of the wire. What is not plainly right, or says more, goes to the schema, which also says what is wrong; a test holds
 * that both agree.
 */
export function quickInput(name: OperationName, input: unknown): OperationInput<'execute_tool'> | undefined {
  if (name !== 'execute_tool' || !isPlain(input)) return undefined;
  for (const key in input) if (!KEYS.has(key)) return undefined;
  const { server_name, tool_name, arguments: given = {}, timeout = 60 } = input;
  if (!isText(server_name, 256) || !isText(tool_name, 1024)) return undefined;
  if (!isPlain(given) || Object.hasOwn(given, '__proto__')) return undefined;
  if (typeof timeout !== 'number' || !(timeout > 0 && timeout <= 86_400)) return undefined;
  // What a front-end has checked says the defaults.
  const { in_background = false, priority = 1 } = input;
  if (in_background !== false || priority !== 1) return undefined;
  return { server_name, tool_name, arguments: given, timeout, in_background: false, priority: 1 };
}

const isText = (given: unknown, longest: number): given is string =>
  typeof given === 'string' && given.length > 0 && given.length <= longest;

/** As JSON.parse makes them. */
function isPlain(given: unknown): given is Record<string, unknown> {
  return typeof given === 'object' && given !== null && Object.getPrototypeOf(given) === Object.prototype;
}
