/** What a program needs to run at all; nothing else of our environment reaches a server (UsefulSoftwareCo/executor#1595). */
const passed = [
  'HOME',
  'LOGNAME',
  'PATH',
  'SHELL',
  'TERM',
  'USER',
  'LANG',
  'LANGUAGE',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
  'TMP',
  'TEMP',
  'XDG_CACHE_HOME',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_RUNTIME_DIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  'REQUESTS_CA_BUNDLE',
  // Windows does not start most programs without these.
  'APPDATA',
  'LOCALAPPDATA',
  'PROGRAMDATA',
  'ProgramFiles',
  'ProgramFiles(x86)',
  'ComSpec',
  'PATHEXT',
  'Path',
  'SystemDrive',
  'SystemRoot',
  'USERNAME',
  'USERPROFILE',
  'HOMEDRIVE',
  'HOMEPATH',
] as const;

/** The environment of a server: the safe list out of `base`, over it the definition's own, over all the marker. */
export function childEnv(
  base: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
  marker: { readonly name: string; readonly value: string },
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of passed) {
    const value = base[name];
    // An exported bash function ("() {") is code, not a value.
    if (value !== undefined && !value.startsWith('()')) env[name] = value;
  }
  return { ...env, ...own, [marker.name]: marker.value };
}

/** Replaces values of the definition's environment in foreign text: servers like to print their keys when they fail. */
export function hideValues(text: string, env: Readonly<Record<string, string>>): string {
  let hidden = text;
  for (const [name, value] of Object.entries(env)) {
    const isPath = /^(?:\.{0,2}\/|~|[A-Za-z]:\\)/.test(value);
    if (value.length >= 8 && (!isPath || /key|token|secret|pass|auth|cred/i.test(name))) {
      hidden = hidden.replaceAll(value, `[${name}]`);
    }
  }
  return hidden;
}
