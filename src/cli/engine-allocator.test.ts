import { describe, expect, it } from 'vitest';
import { forgetAllocator, withAllocator } from './engine-allocator.js';

describe.runIf(process.platform === 'linux')('the allocator of the engine', () => {
  it('is told how to give memory back, and nobody after it', () => {
    const environment = withAllocator({ PATH: '/bin' });
    expect(Object.keys(environment).filter((name) => name.startsWith('MALLOC_'))).toHaveLength(2);
    forgetAllocator(environment);
    expect(environment).toEqual({ PATH: '/bin' });
  });

  it('is as the user wants it, and so for everyone', () => {
    const own = { PATH: '/bin', MALLOC_TRIM_THRESHOLD_: '1' };
    const environment = withAllocator({ ...own, MCP_RUNTIME_ALLOCATOR: '1' });
    expect(environment).toEqual(own);
    forgetAllocator(environment);
    expect(environment).toEqual(own);
  });
});
