import { asObject, type Json, type RawEntry, text } from './raw-entry.js';
import { variableName } from './secrets.js';

/** What the user has to give before the server can start. */
export interface RegistryNeed {
  readonly variable: string;
  readonly description?: string | undefined;
  readonly required: boolean;
  readonly secret: boolean;
}

interface RegistryDefinition {
  readonly definition: RawEntry;
  readonly needs: readonly RegistryNeed[];
}

/** Kinds of packages in the order in which they are preferred: what starts fastest and needs least comes first. */
const KINDS = ['npm', 'pypi', 'oci', 'nuget'];

/** How to run or reach a server of a registry, or why that is not possible here. */
export function definitionOf(server: string, json: Json): RegistryDefinition | string {
  const packages = objects(json['packages']).filter(
    (one) => (asObject(one['transport'])?.['type'] ?? 'stdio') === 'stdio',
  );
  for (const kind of KINDS) {
    for (const one of packages) {
      const type = one['registryType'] ?? one['registry_type'];
      const built = type === kind ? packageDefinition(server, kind, one) : undefined;
      if (built) return built;
    }
  }
  for (const type of ['streamable-http', 'sse'] as const) {
    const remote = objects(json['remotes']).find(
      (one) => one['type'] === type && text(one['url']) !== undefined,
    );
    if (remote) return remoteDefinition(server, type, remote);
  }
  return 'none of its packages or addresses can be used here';
}

function packageDefinition(server: string, kind: string, json: Json): RegistryDefinition | undefined {
  const identifier = text(json['identifier']);
  // An identifier that reads like a flag would be one.
  if (identifier === undefined || !/^[\w@][\w@./:+-]*$/.test(identifier)) return undefined;
  const given = text(json['version']);
  const version = given !== undefined && /^[\w.+-]+$/.test(given) && given !== 'latest' ? given : undefined;
  const inputs = new Inputs(server);
  const own = inputs.args(json['runtimeArguments']);
  const rest = inputs.args(json['packageArguments']);
  const env = inputs.env(json['environmentVariables']);
  const pinned = version === undefined ? identifier : `${identifier}@${version}`;
  let command: string;
  let args: string[];
  if (kind === 'npm') {
    command = 'npx';
    args = [...(own.includes('-y') || own.includes('--yes') ? [] : ['-y']), ...own, pinned, ...rest];
  } else if (kind === 'pypi') {
    command = 'uvx';
    args = [...own, pinned, ...rest];
  } else if (kind === 'nuget') {
    command = 'dnx';
    args = [...own, pinned, '--yes', ...(rest.length === 0 ? [] : ['--', ...rest])];
  } else {
    command = 'docker';
    const image =
      version === undefined || /[:@][^/]+$/.test(identifier) ? identifier : `${identifier}:${version}`;
    const passed = Object.keys(env).flatMap((name) => ['-e', name]);
    args = ['run', '-i', '--rm', ...passed, ...withoutRun(own), image, ...rest];
  }
  return {
    definition: { command, args, ...(Object.keys(env).length === 0 ? {} : { env }) },
    needs: inputs.needs,
  };
}

function remoteDefinition(server: string, type: 'streamable-http' | 'sse', json: Json): RegistryDefinition {
  const inputs = new Inputs(server);
  const url = inputs.fill(text(json['url']) ?? '', asObject(json['variables']));
  const headers = inputs.env(json['headers'], (name) => `${server} ${name}`);
  return {
    definition: {
      type: type === 'sse' ? 'sse' : 'http',
      url,
      ...(Object.keys(headers).length === 0 ? {} : { headers }),
    },
    needs: inputs.needs,
  };
}

/** Some publishers repeat what every container is started with. */
function withoutRun(args: readonly string[]): string[] {
  return args.filter(
    (arg, i) => !(i === 0 && arg === 'run') && !['-i', '--rm', '--interactive'].includes(arg),
  );
}

/** Inputs of a `server.json`: fixed values stay, open ones become `${env:VARIABLE}` and a need. */
class Inputs {
  readonly needs: RegistryNeed[] = [];
  readonly #server: string;

  constructor(server: string) {
    this.#server = server;
  }

  args(list: unknown): string[] {
    return objects(list).flatMap((json) => {
      const named = json['type'] === 'named';
      const name = text(json['name']);
      const value = this.#valueOf(json, `${this.#server} ${name ?? text(json['valueHint']) ?? 'argument'}`);
      if (!named) return value === undefined ? [] : [value];
      if (name === undefined) return [];
      const isSwitch =
        value === undefined && json['valueHint'] === undefined && json['default'] === undefined;
      if (value === undefined)
        return isSwitch && (json['isRequired'] === true || 'value' in json) ? [name] : [];
      return name.endsWith('=') ? [name + value] : [name, value];
    });
  }

  /** Variables or headers by name. `variableOf`: the variable that holds an open one; for variables itself. */
  env(list: unknown, variableOf: (name: string) => string = (name) => name): Record<string, string> {
    const entries = objects(list).flatMap((json): [string, string][] => {
      const name = text(json['name']);
      const value = name === undefined ? undefined : this.#valueOf(json, variableOf(name));
      return name === undefined || value === undefined ? [] : [[name, value]];
    });
    return Object.fromEntries(entries);
  }

  /** Replaces `{name}` by what its variable says. */
  fill(template: string, variables: Json | undefined): string {
    return template.replace(/\{([\w-]+)\}/g, (whole, name: string) => {
      const variable = asObject(variables?.[name]);
      if (!variable) return whole;
      return this.#valueOf({ ...variable, isRequired: true }, `${this.#server} ${name}`) ?? whole;
    });
  }

  #valueOf(json: Json, name: string): string | undefined {
    const value = text(json['value']);
    if (value !== undefined) return this.fill(value, asObject(json['variables']));
    const required = json['isRequired'] === true;
    const secret = json['isSecret'] === true;
    const byDefault = text(json['default']);
    if (byDefault !== undefined && !secret) return this.fill(byDefault, asObject(json['variables']));
    if (
      json['isRequired'] === undefined &&
      json['valueHint'] === undefined &&
      !secret &&
      json['type'] === 'named'
    )
      return undefined;
    const variable = /^[A-Za-z_]\w*$/.test(name) ? name : variableName(name);
    this.needs.push({ variable, description: text(json['description']), required, secret });
    return required ? `\${env:${variable}}` : undefined;
  }
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(asObject).filter((one) => one !== undefined) : [];
}
