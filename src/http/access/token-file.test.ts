import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TokenFile } from './token-file.js';

it('HTP-02: a link to a file of tokens that is gone lets nobody in without a token', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tokens-'));
  try {
    const path = join(folder, 'http-tokens.json');
    expect(await new TokenFile(path).exists()).toBe(false);
    symlinkSync(join(folder, 'mounted-later'), path);
    expect(await new TokenFile(path).exists()).toBe(true);
    await expect(new TokenFile(path).list()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
