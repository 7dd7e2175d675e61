import { readFile } from 'node:fs/promises';
import { sharedListing } from './process-table.js';

/**
 * Resident memory in bytes of a process and of everything below it or in its group; undefined where there is no
 * /proc or no such process. Shared pages count once for each process.
 */
export async function familyMemory(leader: number): Promise<number | undefined> {
  const all = await sharedListing();
  const family = new Set(
    all.filter((one) => one.pid === leader || one.group === leader).map((one) => one.pid),
  );
  for (let grown = true; grown; ) {
    grown = false;
    for (const { pid, parent } of all) {
      if (family.has(pid) || !family.has(parent)) continue;
      family.add(pid);
      grown = true;
    }
  }
  if (family.size === 0) return undefined;
  const sizes = await Promise.all([...family].map(residentBytes));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** 0 where there is no such process. */
export async function residentBytes(pid: number): Promise<number> {
  try {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'latin1'))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The same with shared pages divided among those who share them; dearer to find out. */
export async function proportionalBytes(pid: number): Promise<number> {
  try {
    const kilobytes = /^Pss:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1];
    return kilobytes === undefined ? await residentBytes(pid) : Number(kilobytes) * 1024;
  } catch {
    return residentBytes(pid);
  }
}
