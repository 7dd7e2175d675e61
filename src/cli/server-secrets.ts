import { concealedValues, readSecrets, secretsOf, withSecrets } from '../config/secrets/placeholders.js';
import type { SecretStore } from '../config/secrets/secret-store.js';
import type { ClientLink } from '../core/client-link.js';
import { RuntimeError } from '../core/errors.js';
import type { ServerDefinition } from '../core/server.js';
import { type Concealer, concealer } from '../upstream/conceal.js';
import { askForSecret } from './ask-secret.js';
import { watchFile } from './watch-servers.js';

/** What a server is started with: values in place of names, and how they are kept from coming back. */
export interface PreparedStart {
  readonly definition: ServerDefinition;
  readonly conceal: Concealer | undefined;
}

/** Who said no is not asked again for so many secrets. */
const MAX_REFUSALS = 1_000;

/** Gives servers their secrets at the moment of their start. */
export class ServerSecrets {
  readonly #store: SecretStore;
  readonly #refused = new Set<string>();

  constructor(store: SecretStore) {
    this.#store = store;
  }

  /**
   * @param client who is asked for what is missing, if that is a person at this machine.
   * @throws RuntimeError SERVER_NEEDS_AUTH that names the server and the secret.
   */
  async prepare(
    definition: ServerDefinition,
    client: ClientLink | undefined,
    signal: AbortSignal,
  ): Promise<PreparedStart> {
    const values = await this.#read(definition, client, signal);
    const conceal = concealer(concealedValues(definition, values));
    return { definition: values.size === 0 ? definition : withSecrets(definition, values), conceal };
  }

  /**
   * Tells which secrets were set, changed or removed, also by another process; a new key alone changes none.
   * @returns how to stop.
   */
  watch(onChange: (names: ReadonlySet<string>) => void): () => void {
    let before = this.#versions();
    const look = async () => {
      const [old, now] = [await before, await this.#versions()];
      before = Promise.resolve(now);
      const changed = [...new Set([...old.keys(), ...now.keys()])].filter(
        (name) => old.get(name) !== now.get(name),
      );
      if (changed.length > 0) onChange(new Set(changed));
    };
    return watchFile(this.#store.path, () => void look());
  }

  /** Empty where they cannot be told: what cannot be opened is found out at the next start. */
  async #versions(): Promise<Map<string, number | undefined>> {
    const { secrets } = await this.#store.list().catch(() => ({ secrets: [] }));
    return new Map(secrets.map(({ name, version }) => [name, version]));
  }

  async #read(
    definition: ServerDefinition,
    client: ClientLink | undefined,
    signal: AbortSignal,
  ): Promise<Map<string, string>> {
    // Each question answers at most one of them.
    for (let left = secretsOf(definition).length; ; left -= 1) {
      try {
        return await readSecrets(definition, this.#store);
      } catch (error) {
        const secret = error instanceof RuntimeError ? error.data : undefined;
        if (left <= 0 || secret?.['reason'] !== 'not-set') throw error;
        const name = String(secret['secret']);
        const asked = `${client?.clientId}\n${name}`;
        if (this.#refused.has(asked)) throw error;
        const what = { server: definition.name, secret: name };
        if (await askForSecret(what, client, signal, (value) => this.#store.set(name, value))) continue;
        signal.throwIfAborted();
        if (this.#refused.size >= MAX_REFUSALS) this.#refused.clear();
        this.#refused.add(asked);
        throw error;
      }
    }
  }
}
