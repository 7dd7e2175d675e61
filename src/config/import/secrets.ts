/** Where a secret stood, and the variable that is to hold it from now on. Never the secret. */
export interface SecretFound {
  readonly server: string;
  readonly place: 'env' | 'headers' | 'args' | 'url';
  readonly variable: string;
}

const SECRET_NAME =
  /(^|[^a-z])(api[-_]?key|access[-_]?key|secret[-_]?key|private[-_]?key|token|secret|password|passwd|passphrase|pwd|authorization|pat|jwt|dsn|connection[-_]?string)s?($|[^a-z])/i;
/** Names that may also stand for a way (`AUTH=oauth`) or a field (`PRIMARY_KEY=id`): one plain word is no secret then. */
const LIKELY_SECRET_NAME =
  /(^|[^a-z])(key|pass|credential|auth|bearer|private|cookie|session|sid|signature|sig|webhook)s?($|[^a-z])/i;
const CAMEL = /([a-z0-9])([A-Z])/g;

/** How keys of well-known services begin. */
const KNOWN_SECRET =
  /^(sk-|sk_|pk_live_|rk_live_|gh[opsur]_|github_pat_|glpat-|gl[a-z]{2,5}-|xox[abeoprs]-|xapp-|AKIA[A-Z0-9]{12}|ASIA[A-Z0-9]{12}|AIza|ya29\.|hf_|npm_|pypi-|dop_v1_|shp[acts]{2}_|SG\.|key-|lin_api_|ntn_|secret_|figd_|tvly-|fc-|BSA|r8_|gsk_|eyJ[\w-]+\.eyJ|gAAAAA|-----BEGIN )/;
const AUTH_SCHEME = /^((?:Bearer|Basic|Token|ApiKey|Digest)\s+)(\S.*)$/i;
const PLACEHOLDER = /\$\{[^}]+\}|^\$[A-Za-z_]\w*$/;

/** Whether a name says that its value is nobody's business, and the value is not plainly something else. */
export function namesSecret(name: string, value: string): boolean {
  const words = name.replace(CAMEL, '$1_$2');
  if (harmless(value)) return false;
  return SECRET_NAME.test(words) || (LIKELY_SECRET_NAME.test(words) && !/^[a-z][a-z_-]*$/i.test(value));
}

/** Whether a value looks like a key by itself: a known beginning, or long and without any sense. */
function secretValue(value: string): boolean {
  const text = value.trim();
  if (PLACEHOLDER.test(text)) return false;
  if (KNOWN_SECRET.test(text) && text.length >= 12) return true;
  return AUTH_SCHEME.test(text) || senseless(text);
}

/** Long, of one piece, letters and digits mixed, and hardly any character twice. */
function senseless(text: string): boolean {
  if (text.length < 24 || !/^[\w+/=.~-]+$/.test(text) || !/\d/.test(text) || !/[a-z]/i.test(text))
    return false;
  if (/^[\w.-]+\/[\w./@-]+$/.test(text) || text.startsWith('/')) return false;
  const hex = /^[0-9a-f-]+$/i.test(text);
  return entropy(text) > (hex ? 3 : 3.7);
}

function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  return [...counts.values()].reduce(
    (sum, count) => sum - (count / text.length) * Math.log2(count / text.length),
    0,
  );
}

/** Takes the secrets out of the definitions of one file, and gives each a variable of its own. */
export class SecretVault {
  readonly found: SecretFound[] = [];
  readonly #values = new Map<string, string>();

  env(server: string, env: Readonly<Record<string, string>>): Record<string, string> {
    return mapValues(env, (name, value) => {
      if (value === '' || PLACEHOLDER.test(value)) return value;
      if (/^[a-z][\w+.-]*:\/\//i.test(value)) return this.url(server, value, 'env', name);
      return namesSecret(name, value) || secretValue(value)
        ? this.#put(server, 'env', name, value, name)
        : value;
    });
  }

  headers(server: string, headers: Readonly<Record<string, string>>): Record<string, string> {
    return mapValues(headers, (name, value) => {
      if (value === '' || PLACEHOLDER.test(value)) return value;
      return namesSecret(name, value) || secretValue(value)
        ? this.#header(server, 'headers', name, value)
        : value;
    });
  }

  args(server: string, args: readonly string[]): string[] {
    return args.map((arg, i) => {
      if (PLACEHOLDER.test(arg)) return arg;
      const [, flag, given] = /^(-{1,2}[\w.-]+)=(.+)$/.exec(arg) ?? [];
      if (flag !== undefined && given !== undefined) return `${flag}=${this.#arg(server, flag, given)}`;
      const before = args[i - 1] ?? '';
      return arg.startsWith('-') && !KNOWN_SECRET.test(arg)
        ? arg
        : this.#arg(server, /^--?[a-z]/i.test(before) && !before.includes('=') ? before : '', arg);
    });
  }

  /** Takes passwords, query values and path segments that are secrets out of an address. */
  url(server: string, address: string, place: SecretFound['place'] = 'url', owner?: string): string {
    const [, scheme = '', login, host = '', tail = ''] =
      /^([a-z][\w+.-]*:\/\/)(?:([^/?#]*)@)?([^/?#@]*)(.*)$/is.exec(address) ?? [];
    if (scheme === '') return address;
    const take = (label: string, secret: string) =>
      this.#put(server, place, owner === undefined ? label : `${owner}_${label}`, secret);
    // Put together from the text as it was written: a URL that is printed again would encode the placeholders.
    const [user = '', ...password] = (login ?? '').split(':');
    const account = [
      !PLACEHOLDER.test(user) && secretValue(user) ? take('USER', user) : user,
      ...(password.length === 0
        ? []
        : [password.join(':')].map((text) =>
            text === '' || PLACEHOLDER.test(text) ? text : take('PASSWORD', text),
          )),
    ].join(':');
    const rest = tail.replace(
      /(\/)([^/?#]+)|([?&#]([^=&#]+)=)([^&#]+)/g,
      (whole, slash?: string, segment?: string, before = '', name = '', value = '') => {
        const written = decoded(segment ?? value);
        if (PLACEHOLDER.test(written)) return whole;
        if (slash !== undefined)
          return secretValue(written) ? slash + take('URL_SECRET', segment ?? '') : whole;
        return namesSecret(name, written) || secretValue(written) ? before + take(name, value) : whole;
      },
    );
    return scheme + (login === undefined ? '' : `${account}@`) + host + rest;
  }

  #arg(server: string, flag: string, value: string): string {
    if (PLACEHOLDER.test(value)) return value;
    const [, header, content] = /^([\w-]+):\s*(.+)$/.exec(value) ?? [];
    if (/^https?:\/\//i.test(value)) return this.url(server, value, 'args');
    if (header !== undefined && content !== undefined && !content.startsWith('//')) {
      const secret = namesSecret(header, content) || secretValue(content);
      return secret ? value.replace(content, () => this.#header(server, 'args', header, content)) : value;
    }
    const [, name, assigned] = /^([A-Za-z_]\w*)=(.+)$/.exec(value) ?? [];
    if (name !== undefined && assigned !== undefined)
      return `${name}=${this.env(server, { [name]: assigned })[name]}`;
    if (/^[a-z][\w+.-]*:\/\//i.test(value)) return this.url(server, value, 'args');
    return namesSecret(flag, value) || secretValue(value)
      ? this.#put(server, 'args', flag || 'SECRET', value)
      : value;
  }

  #header(server: string, place: 'headers' | 'args', name: string, value: string): string {
    const [, scheme = '', secret = value] = AUTH_SCHEME.exec(value) ?? [];
    return PLACEHOLDER.test(secret) ? value : scheme + this.#put(server, place, name, secret);
  }

  /** `own`: the name that the server itself reads, taken as it is while it stands for one value alone. */
  #put(server: string, place: SecretFound['place'], name: string, value: string, own?: string): string {
    const prefixed = `${variableName(server)}_${variableName(name)}`;
    let variable =
      own !== undefined && /^[A-Za-z_]\w*$/.test(own) && (this.#values.get(own) ?? value) === value
        ? own
        : prefixed;
    for (let i = 2; (this.#values.get(variable) ?? value) !== value; i++) variable = `${prefixed}_${i}`;
    this.#values.set(variable, value);
    if (!this.found.some((one) => one.server === server && one.variable === variable))
      this.found.push({ server, place, variable });
    return `\${env:${variable}}`;
  }
}

/** Values under a secret's name that are plainly none: switches, numbers, paths to files that hold it. */
function harmless(value: string): boolean {
  return /^(true|false|yes|no|on|off|none|null|\d{1,7}|~?\/[\w./ -]+|[a-z]:\\[^:]*|\.{1,2}\/[\w./-]+)$/i.test(
    value.trim(),
  );
}

export function variableName(text: string): string {
  const name = text
    .replace(CAMEL, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .toUpperCase();
  return /^[A-Z]/.test(name) ? name : `X_${name}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function mapValues(
  values: Readonly<Record<string, string>>,
  map: (name: string, value: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(name, value)]));
}
