import { createHash } from 'node:crypto';
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyError, readKeyFile, writeKeyFile } from '../../lib/key-file.js';
import { KEY_BYTES } from '../../lib/sealed-box.js';
import type { Keychain } from './keychain.js';
import { secretError } from './secret-error.js';
import type { KeyPlace } from './vault-file.js';

const SUFFIX = '.key';

/** By which a key is known in messages and files. */
export const keyId = (key: Uint8Array): string =>
  createHash('sha256').update('mcp-runtime key id\n').update(key).digest('hex').slice(0, 16);

/** The keys of a vault: one counts, a second is there only while they are changed. */
export class KeyRing {
  readonly #directory: string;
  readonly #keychain: Keychain | undefined;

  constructor(directory: string, keychain: Keychain | undefined) {
    this.#directory = directory;
    this.#keychain = keychain;
  }

  /** @throws RuntimeError SECRET_UNAVAILABLE with the id of the key and why it cannot be used. */
  async read(id: string, place: KeyPlace): Promise<Buffer> {
    const key = place === 'file' ? await this.#readFile(id) : await this.#readKeychain(id);
    if (keyId(key) === id) return key;
    throw secretError(
      `The secrets cannot be opened: what is kept as key ${id} is another key.`,
      { reason: 'key-wrong', key: id },
      'Put the right key back, or set the secrets again after moving secrets.json away.',
    );
  }

  /** @throws RuntimeError UNSUPPORTED where there is no keychain; what the file system says. */
  async write(id: string, key: Uint8Array, place: KeyPlace): Promise<void> {
    if (place === 'keychain') await this.#chain().store(id, key);
    else await writeKeyFile(this.#file(id), key);
  }

  /** Removes every key but one. Never rejects: a key that stays is removed the next time. */
  async keepOnly(id: string, place: KeyPlace, replaced?: { id: string; place: KeyPlace }): Promise<void> {
    const names = await readdir(this.#directory).catch(() => []);
    for (const name of names) {
      if (name.endsWith(SUFFIX) && !(place === 'file' && name === id + SUFFIX))
        await unlink(join(this.#directory, name)).catch(() => {});
    }
    if (replaced?.place === 'keychain' && replaced.id !== id)
      await this.#keychain?.remove(replaced.id).catch(() => {});
  }

  async #readFile(id: string): Promise<Buffer> {
    try {
      return await readKeyFile(this.#file(id));
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      throw secretError(
        `The secrets cannot be opened with key ${id}: ${error.message}.`,
        { reason: `key-${error.reason}`, key: id },
        error.reason === 'exposed'
          ? 'Who could read it may have read the secrets: after the chmod, run `mcp-runtime secret rotate` and renew them where they came from.'
          : 'Put the key back, or set the secrets again after moving secrets.json away.',
        error,
      );
    }
  }

  async #readKeychain(id: string): Promise<Buffer> {
    const key = await this.#chain()
      .load(id)
      .catch(() => undefined);
    if (key?.length === KEY_BYTES) return key;
    throw secretError(
      `The secrets cannot be opened: the keychain does not give key ${id}.`,
      { reason: 'key-missing', key: id },
      'Unlock the keychain of this user and try again.',
    );
  }

  #chain(): Keychain {
    if (this.#keychain) return this.#keychain;
    throw secretError(
      'The key of the secrets is in a keychain, and this machine has none that can be asked.',
      { reason: 'key-missing' },
      'It takes secret-tool (libsecret) on Linux, security on macOS.',
    );
  }

  #file(id: string): string {
    return join(this.#directory, id + SUFFIX);
  }
}
