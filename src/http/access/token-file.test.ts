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

it('HTP-02: a token counts as soon as it is made, whoever made it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tokens-'));
  try {
    const path = join(folder, 'http-tokens.json');
    const scope = { servers: [], tools: [], readOnly: false };
    const [serving, command] = [new TokenFile(path), new TokenFile(path)];
    const { token: first } = await command.create({ holder: 'ada', ...scope });
    for (const holder of ['bea', 'cy', 'dan']) {
      expect(await serving.verify(first)).toMatchObject({ principal: 'token:ada' });
      // One look is under way while the next is made.
      const looking = serving.verify(first);
      const { token } = await command.create({ holder, ...scope });
      expect(await serving.verify(token)).toMatchObject({ principal: `token:${holder}` });
      await looking;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
