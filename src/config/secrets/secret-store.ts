import { join } from 'node:path';
import { RuntimeError } from '../../core/errors.js';
import { writeFileAtomic } from '../../lib/atomic-file.js';
import { withFileLock } from '../../lib/file-lock.js';
import { newKey } from '../../lib/key-file.js';
import { ensurePrivateDir } from '../../lib/private-dir.js';
import { KeyRing, keyId } from './key-ring.js';
import type { Keychain } from './keychain.js';
import { notSet, SECRET_NAME, secretError } from './secret-error.js';
import {
  type KeyPlace,
  type Manifest,
  openManifest,
  openSecret,
  readVault,
  sealManifest,
  sealSecret,
  type Vault,
} from './vault-file.js';

export interface SecretInfo {
  readonly name: string;
  /** Ms since the epoch; undefined when the vault cannot be opened. */
  readonly setAt: number | undefined;
  /** Grows with each new value; undefined when the vault cannot be opened. */
  readonly version: number | undefined;
}

/** Each step leaves a vault on disk that opens. */
export type RotationStep = 'begun' | 'key-written' | 'vault-written' | 'old-key-removed';

interface Opened {
  readonly vault: Vault;
  readonly key: Buffer;
  readonly manifest: Manifest;
}

const MAX_VALUE_BYTES = 65_536;
const LOCK_MS = 30_000;
/** A key that is changed while it is looked for; more changes in a row than this are none. */
const TRIES = 8;

/**
 * Secrets of a user, encrypted on disk: AES-256-GCM under a key of their own, each bound to its name and version.
 * Whatever cannot be opened is an error that names the secret or the key; no key is ever made in place of one that is
 * missing. Several processes may use one directory.
 */
export class SecretStore {
  readonly #directory: string;
  readonly #keys: KeyRing;

  constructor(directory: string, keychain?: Keychain) {
    this.#directory = directory;
    this.#keys = new KeyRing(directory, keychain);
  }

  /** The file whose change means that secrets changed. */
  get path(): string {
    return join(this.#directory, 'secrets.json');
  }

  /** @throws RuntimeError SECRET_UNAVAILABLE, STORAGE_FAILED */
  async get(name: string): Promise<string> {
    const opened = await this.#open();
    const entry = opened?.manifest.secrets[name];
    if (!opened || !entry) throw notSet(name);
    const value = openSecret(opened.vault, opened.key, name, entry.version);
    if (value !== undefined) return value;
    throw secretError(
      `The secret ${name} cannot be opened: it was changed by something that does not have key ${opened.vault.key}.`,
      { reason: 'changed', secret: name, key: opened.vault.key },
      `Set it again with \`mcp-runtime secret set ${name}\`.`,
    );
  }

  /** By name, also where the key is missing. @throws RuntimeError STORAGE_FAILED */
  async list(): Promise<{ secrets: SecretInfo[]; key: string | undefined; problem: string | undefined }> {
    const vault = await readVault(this.path);
    if (!vault) return { secrets: [], key: undefined, problem: undefined };
    let manifest: Manifest | undefined;
    let problem: string | undefined;
    try {
      manifest = (await this.#open())?.manifest;
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      problem = error.message;
    }
    const secrets = Object.keys(vault.secrets)
      .sort()
      .map((name) => ({
        name,
        setAt: manifest?.secrets[name]?.setAt,
        version: manifest?.secrets[name]?.version,
      }));
    return { secrets, key: vault.key, problem };
  }

  /**
   * Sets or replaces one. The first makes the key.
   * @throws RuntimeError INVALID_ARGUMENTS when name or value cannot be one; SECRET_UNAVAILABLE, STORAGE_FAILED.
   */
  async set(name: string, value: string, keyIn: KeyPlace = 'file'): Promise<void> {
    checkName(name);
    checkValue(value);
    await this.#exclusively(async () => {
      const { vault, key, manifest } = (await this.#open()) ?? (await this.#begin(keyIn));
      const version = manifest.generation + 1;
      const secrets = { ...manifest.secrets, [name]: { version, setAt: Date.now() } };
      const sealed = { ...vault.secrets, [name]: sealSecret(value, name, version, vault.key, key) };
      await this.#write({ ...vault, secrets: sealed }, { generation: version, secrets }, key);
      await this.#keys.keepOnly(vault.key, vault.keyIn);
    });
  }

  /** @returns whether it was there. @throws RuntimeError SECRET_UNAVAILABLE, STORAGE_FAILED */
  async remove(name: string): Promise<boolean> {
    return this.#exclusively(async () => {
      const opened = await this.#open();
      if (!opened || !Object.hasOwn(opened.vault.secrets, name)) return false;
      const { [name]: _sealed, ...secrets } = opened.vault.secrets;
      const { [name]: _entry, ...entries } = opened.manifest.secrets;
      const manifest = { generation: opened.manifest.generation + 1, secrets: entries };
      await this.#write({ ...opened.vault, secrets }, manifest, opened.key);
      return true;
    });
  }

  /**
   * Encrypts everything anew under a new key, then removes the old one. Ended at any moment, it leaves the old vault
   * with its key or the new one with its own; what is left over goes with the next change.
   * @throws RuntimeError SECRET_UNAVAILABLE when one of them cannot be opened: then nothing is changed.
   */
  async rotate(options: {
    keyIn?: KeyPlace | undefined;
    onStep?: (step: RotationStep) => void;
  }): Promise<{ key: string; secrets: number }> {
    const onStep = options.onStep ?? (() => {});
    return this.#exclusively(async () => {
      const opened = await this.#open();
      if (!opened) throw new RuntimeError('SECRET_UNAVAILABLE', 'There are no secrets yet, and no key.');
      const { vault, manifest } = opened;
      onStep('begun');
      const key = newKey();
      const id = keyId(key);
      const secrets: Record<string, string> = {};
      for (const name of Object.keys(vault.secrets)) {
        const entry = manifest.secrets[name];
        if (entry) secrets[name] = sealSecret(await this.get(name), name, entry.version, id, key);
      }
      const keyIn = options.keyIn ?? vault.keyIn;
      await this.#keys.write(id, key, keyIn);
      onStep('key-written');
      await this.#write({ ...vault, key: id, keyIn, secrets }, manifest, key);
      onStep('vault-written');
      await this.#keys.keepOnly(id, keyIn, { id: vault.key, place: vault.keyIn });
      onStep('old-key-removed');
      return { key: id, secrets: Object.keys(secrets).length };
    });
  }

  /** Undefined while there are none. */
  async #open(): Promise<Opened | undefined> {
    let seen: string | undefined;
    for (let tries = 0; ; tries += 1) {
      const vault = await readVault(this.path);
      if (!vault) return undefined;
      try {
        const key = await this.#keys.read(vault.key, vault.keyIn);
        const manifest = openManifest(vault, key);
        if (manifest) return { vault, key, manifest };
        throw secretError(
          `The secrets cannot be opened: ${this.path} was changed by something that does not have key ${vault.key}.`,
          { reason: 'changed', key: vault.key },
          'Put back a good copy of it, or move it away and set the secrets again.',
        );
      } catch (error) {
        // The key may have been changed between the two readings: then the vault names another one by now.
        if (vault.key === seen || tries >= TRIES) throw error;
        seen = vault.key;
      }
    }
  }

  async #begin(keyIn: KeyPlace): Promise<Opened> {
    const key = newKey();
    const id = keyId(key);
    await this.#keys.write(id, key, keyIn);
    const vault: Vault = { format: 1, key: id, keyIn, manifest: '', secrets: {} };
    return { vault, key, manifest: { generation: 0, secrets: {} } };
  }

  async #write(vault: Vault, manifest: Manifest, key: Uint8Array): Promise<void> {
    const text = JSON.stringify({ ...vault, manifest: sealManifest(manifest, vault.key, key) }, undefined, 2);
    await writeFileAtomic(this.path, `${text}\n`);
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    await ensurePrivateDir(this.#directory);
    return withFileLock(join(this.#directory, 'secrets.lock'), AbortSignal.timeout(LOCK_MS), work);
  }
}

function checkName(name: string): void {
  if (SECRET_NAME.test(name)) return;
  throw new RuntimeError('INVALID_ARGUMENTS', 'That cannot be the name of a secret.', {
    hint: 'A name has letters, digits, "_", "." and "-", up to 128, and begins with a letter or "_".',
  });
}

function checkValue(value: string): void {
  const refuse = (why: string, hint: string) => new RuntimeError('INVALID_ARGUMENTS', why, { hint });
  if (value === '') throw refuse('The value is empty.', 'Remove a secret with `mcp-runtime secret rm`.');
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES)
    throw refuse(`The value is longer than ${MAX_VALUE_BYTES} bytes.`, 'Keep large files as files.');
  if (value.includes('\0'))
    throw refuse('The value holds a NUL byte.', 'Neither a variable nor a header can carry one.');
  // Somebody copied what stands in place of a secret: it must not take the place of the secret itself.
  if (isMask(value))
    throw refuse(
      'That is what is shown in place of a secret, not the secret.',
      'Nothing was changed; give the value itself.',
    );
}

/** What is shown in place of a value: by us, or as others do. */
const isMask = (value: string): boolean =>
  /^\[(?:secret )?[A-Za-z_][A-Za-z0-9_.-]*\]$|^\[(?:removed|hidden|redacted)\]$|^<(?:secret|hidden|redacted)>$|^[*•]{3,}$|^\$\{[^}]*\}$/i.test(
    value.trim(),
  );
