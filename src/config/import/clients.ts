import { access } from 'node:fs/promises';
import { posix, win32 } from 'node:path';

export type Platform = 'linux' | 'darwin' | 'win32';

export type ClientId =
  | 'claude-desktop'
  | 'claude-code'
  | 'cursor'
  | 'vscode'
  | 'cline'
  | 'windsurf'
  | 'zed'
  | 'codex'
  | 'gemini';

/** Where a client's configuration may be. */
export interface ConfigPlace {
  readonly client: ClientId;
  /** For people. */
  readonly title: string;
  /** `project`: belongs to the directory, and may come from somebody else who wrote into it. */
  readonly scope: 'user' | 'project';
  readonly path: string;
}

export interface FindOptions {
  readonly home: string;
  readonly platform: Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly exists?: ((path: string) => Promise<boolean>) | undefined;
}

const TITLES: Readonly<Record<ClientId, string>> = {
  'claude-desktop': 'Claude Desktop',
  'claude-code': 'Claude Code',
  cursor: 'Cursor',
  vscode: 'VS Code',
  cline: 'Cline',
  windsurf: 'Windsurf',
  zed: 'Zed',
  codex: 'Codex',
  gemini: 'Gemini CLI',
};

/** All places that the clients look at, whether there is a file or not. */
export function candidatePlaces({ home, platform, env, cwd }: Omit<FindOptions, 'exists'>): ConfigPlace[] {
  const { join } = platform === 'win32' ? win32 : posix;
  const appData = env['APPDATA'] || join(home, 'AppData', 'Roaming');
  const config = env['XDG_CONFIG_HOME'] || join(home, '.config');
  /** The directory where desktop programs keep their settings. */
  const settings = { win32: appData, darwin: join(home, 'Library', 'Application Support'), linux: config }[
    platform
  ];
  const codeUser = join(settings, 'Code', 'User');
  const cline = ['globalStorage', 'saoudrizwan.claude-dev', 'settings', 'cline_mcp_settings.json'];
  const zed =
    platform === 'win32'
      ? [join(appData, 'Zed')]
      : platform === 'darwin'
        ? [join(home, '.config', 'zed'), join(settings, 'Zed')]
        : [join(config, 'zed')];
  const user: [ClientId, ...string[]][] = [
    ['claude-desktop', join(settings, 'Claude', 'claude_desktop_config.json')],
    [
      'claude-code',
      env['CLAUDE_CONFIG_DIR'] ? join(env['CLAUDE_CONFIG_DIR'], '.claude.json') : join(home, '.claude.json'),
    ],
    ['cursor', join(home, '.cursor', 'mcp.json')],
    ['vscode', join(codeUser, 'mcp.json'), join(codeUser, 'settings.json')],
    ['cline', join(codeUser, ...cline), join(home, '.cline', 'data', 'settings', 'cline_mcp_settings.json')],
    ['windsurf', join(home, '.codeium', 'windsurf', 'mcp_config.json')],
    ['zed', ...zed.map((directory) => join(directory, 'settings.json'))],
    ['codex', join(env['CODEX_HOME'] || join(home, '.codex'), 'config.toml')],
    ['gemini', join(home, '.gemini', 'settings.json')],
  ];
  const project: [ClientId, string][] = [
    ['claude-code', join(cwd, '.mcp.json')],
    ['cursor', join(cwd, '.cursor', 'mcp.json')],
    ['vscode', join(cwd, '.vscode', 'mcp.json')],
    ['zed', join(cwd, '.zed', 'settings.json')],
    ['codex', join(cwd, '.codex', 'config.toml')],
    ['gemini', join(cwd, '.gemini', 'settings.json')],
  ];
  const places = (list: [ClientId, ...string[]][], scope: ConfigPlace['scope']) =>
    list.flatMap(([client, ...paths]) =>
      paths.map((path) => ({ client, title: TITLES[client], scope, path })),
    );
  const all = [...places(user, 'user'), ...places(project, 'project')];
  // In the home directory itself both scopes name the same files.
  return all.filter((place, i) => all.findIndex(({ path }) => path === place.path) === i);
}

/** The places where there is a file. */
export async function findClientConfigs(options: FindOptions): Promise<ConfigPlace[]> {
  const exists =
    options.exists ??
    ((path: string) =>
      access(path).then(
        () => true,
        () => false,
      ));
  const places = candidatePlaces(options);
  const there = await Promise.all(places.map(({ path }) => exists(path)));
  return places.filter((_, i) => there[i]);
}
