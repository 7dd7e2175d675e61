import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { RuntimeError } from '../../core/errors.js';
import { seal, unseal } from '../../lib/sealed-box.js';
import { SECRET_NAME } from './secret-error.js';

/** Where the key is: a file beside the vault, or the operating system's keychain. */
export type KeyPlace = 'file' | 'keychain';

const vaultSchema = z.object({
  format: z.literal(1),
  /** Id of the key; tells nothing of it. */
  key: z.string().regex(/^[0-9a-f]{16}$/),
  keyIn: z.enum(['file', 'keychain']),
  /** Sealed: which version of which secret counts. */
  manifest: z.string(),
  /** Sealed values by name. */
  secrets: z.record(z.string().regex(SECRET_NAME), z.string()),
});

/** The file as it stands on disk: names are readable, nothing else is. */
export type Vault = Readonly<z.output<typeof vaultSchema>>;

const manifestSchema = z.object({
  /** Counts every change. A version is never given twice, not even after a secret was removed and set again. */
  generation: z.int().nonnegative(),
  secrets: z.record(z.string(), z.object({ version: z.int().positive(), setAt: z.number() })),
});

export type Manifest = Readonly<z.output<typeof manifestSchema>>;

/** @returns undefined when there is no vault yet. @throws RuntimeError STORAGE_FAILED when it is none. */
export async function readVault(path: string): Promise<Vault | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw damaged(path, error);
  }
  try {
    return vaultSchema.parse(JSON.parse(text));
  } catch (error) {
    throw damaged(path, error);
  }
}

/**
 * A box fits its key, its name and its version alone: what is put in another's place, or what was replaced by a newer
 * value, does not open.
 */
const boundSecret = (vaultKey: string, name: string, version: number) =>
  `mcp-runtime secret\n${vaultKey}\n${name}\n${version}`;
const boundManifest = (vaultKey: string) => `mcp-runtime secrets\n${vaultKey}`;

export function openManifest(vault: Vault, key: Uint8Array): Manifest | undefined {
  const text = unseal(key, Buffer.from(vault.manifest, 'base64'), boundManifest(vault.key));
  if (text === undefined) return undefined;
  const parsed = manifestSchema.safeParse(JSON.parse(text.toString('utf8')));
  return parsed.success ? parsed.data : undefined;
}

export function openSecret(vault: Vault, key: Uint8Array, name: string, version: number): string | undefined {
  const sealed = Object.hasOwn(vault.secrets, name) ? vault.secrets[name] : undefined;
  if (sealed === undefined) return undefined;
  return unseal(key, Buffer.from(sealed, 'base64'), boundSecret(vault.key, name, version))?.toString('utf8');
}

export function sealManifest(manifest: Manifest, keyId: string, key: Uint8Array): string {
  return seal(key, JSON.stringify(manifest), boundManifest(keyId)).toString('base64');
}

export function sealSecret(
  value: string,
  name: string,
  version: number,
  keyId: string,
  key: Uint8Array,
): string {
  return seal(key, value, boundSecret(keyId, name, version)).toString('base64');
}

function damaged(path: string, cause: unknown): RuntimeError {
  return new RuntimeError('STORAGE_FAILED', `The file of secrets ${path} cannot be read.`, {
    hint: 'Put back a good copy of it, or move it away and set the secrets again.',
    retryable: false,
    cause,
  });
}
