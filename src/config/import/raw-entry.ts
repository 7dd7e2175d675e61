/** One entry of `mcpServers`, as our servers file has it. Times in seconds. */
export interface RawEntry {
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly type?: 'http' | 'sse';
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeout?: number;
  readonly blocked_tools?: readonly string[];
  readonly disabled?: boolean;
}

export type Json = Readonly<Record<string, unknown>>;

export function asObject(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** Strings, and numbers and booleans as strings; everything else is left out. */
export function textList(value: unknown): string[] {
  return Array.isArray(value) ? value.filter(isScalar).map(String) : [];
}

export function textRecord(value: unknown): Record<string, string> {
  const entries = Object.entries(asObject(value) ?? {}).filter(([, inner]) => isScalar(inner));
  return Object.fromEntries(entries.map(([name, inner]) => [name, String(inner)]));
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
