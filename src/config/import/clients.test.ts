import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { candidatePlaces, findClientConfigs } from './clients.js';

function paths(platform: 'linux' | 'darwin' | 'win32', home: string, env: Record<string, string> = {}) {
  const byClient: Record<string, string[]> = {};
  for (const { client, path } of candidatePlaces({
    platform,
    home,
    env,
    cwd: platform === 'win32' ? 'D:\\work' : '/srv/x',
  })) {
    byClient[client] = [...(byClient[client] ?? []), path];
  }
  return byClient;
}

describe('where clients keep their configuration', () => {
  it('on Linux', () => {
    expect(paths('linux', '/home/ada')).toEqual({
      'claude-desktop': ['/home/ada/.config/Claude/claude_desktop_config.json'],
      'claude-code': ['/home/ada/.claude.json', '/srv/x/.mcp.json'],
      cursor: ['/home/ada/.cursor/mcp.json', '/srv/x/.cursor/mcp.json'],
      vscode: [
        '/home/ada/.config/Code/User/mcp.json',
        '/home/ada/.config/Code/User/settings.json',
        '/srv/x/.vscode/mcp.json',
      ],
      cline: [
        '/home/ada/.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json',
        '/home/ada/.cline/data/settings/cline_mcp_settings.json',
      ],
      windsurf: ['/home/ada/.codeium/windsurf/mcp_config.json'],
      zed: ['/home/ada/.config/zed/settings.json', '/srv/x/.zed/settings.json'],
      codex: ['/home/ada/.codex/config.toml', '/srv/x/.codex/config.toml'],
      gemini: ['/home/ada/.gemini/settings.json', '/srv/x/.gemini/settings.json'],
    });
    expect(
      paths('linux', '/home/ada', {
        XDG_CONFIG_HOME: '/c',
        CODEX_HOME: '/codex',
        CLAUDE_CONFIG_DIR: '/claude',
      }),
    ).toMatchObject({
      'claude-desktop': ['/c/Claude/claude_desktop_config.json'],
      'claude-code': ['/claude/.claude.json', '/srv/x/.mcp.json'],
      codex: ['/codex/config.toml', '/srv/x/.codex/config.toml'],
    });
  });

  it('on macOS', () => {
    expect(paths('darwin', '/Users/ada')).toMatchObject({
      'claude-desktop': ['/Users/ada/Library/Application Support/Claude/claude_desktop_config.json'],
      vscode: [
        '/Users/ada/Library/Application Support/Code/User/mcp.json',
        '/Users/ada/Library/Application Support/Code/User/settings.json',
        '/srv/x/.vscode/mcp.json',
      ],
      zed: [
        '/Users/ada/.config/zed/settings.json',
        '/Users/ada/Library/Application Support/Zed/settings.json',
        '/srv/x/.zed/settings.json',
      ],
    });
  });

  it('on Windows', () => {
    expect(paths('win32', 'C:\\Users\\Ada', { APPDATA: 'E:\\Roaming' })).toMatchObject({
      'claude-desktop': ['E:\\Roaming\\Claude\\claude_desktop_config.json'],
      'claude-code': ['C:\\Users\\Ada\\.claude.json', 'D:\\work\\.mcp.json'],
      zed: ['E:\\Roaming\\Zed\\settings.json', 'D:\\work\\.zed\\settings.json'],
    });
    expect(paths('win32', 'C:\\Users\\Ada')).toMatchObject({
      'claude-desktop': ['C:\\Users\\Ada\\AppData\\Roaming\\Claude\\claude_desktop_config.json'],
    });
  });
});

describe('findClientConfigs', () => {
  let home: string;
  afterEach(() => rm(home, { recursive: true }));

  it('names the files that are there, each once', async () => {
    home = await mkdtemp(join(tmpdir(), 'import-'));
    await mkdir(join(home, '.cursor'));
    await writeFile(join(home, '.cursor', 'mcp.json'), '{}');
    await writeFile(join(home, '.claude.json'), '{}');
    const found = await findClientConfigs({ home, platform: 'linux', env: {}, cwd: home });
    expect(found).toEqual([
      { client: 'claude-code', title: 'Claude Code', scope: 'user', path: join(home, '.claude.json') },
      { client: 'cursor', title: 'Cursor', scope: 'user', path: join(home, '.cursor', 'mcp.json') },
    ]);
  });
});
