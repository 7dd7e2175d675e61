import { closeSync, readdirSync, readFileSync } from 'node:fs';

/** Linux's O_CLOEXEC, as /proc shows it. */
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Closes what whoever started us left open by mistake and a server would inherit from us: Node marks its own
 * descriptors, and of foreign ones only those without a gap before them (libuv, uv_disable_stdio_inheritance). To be
 * called in a process of ours alone. Does nothing where there is no /proc.
 */
export function closeInherited(): void {
  for (const name of entries('/proc/self/fd')) {
    const descriptor = Number(name);
    if (descriptor <= 2) continue;
    try {
      const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'utf8'))?.[1];
      if (flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0) closeSync(descriptor);
    } catch {
      // The one that the directory was read with is closed already.
    }
  }
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
