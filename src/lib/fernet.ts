import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Why something was refused. `token` says no more on purpose: which check failed is nobody's business. */
export class FernetError extends Error {
  override readonly name = 'FernetError';
  readonly reason: 'key' | 'token';

  constructor(reason: 'key' | 'token') {
    super(
      reason === 'key'
        ? 'The key is not a Fernet key (url-safe base64 of 32 bytes).'
        : 'The token was changed, has expired, or was encrypted with another key.',
    );
    this.reason = reason;
  }
}

export interface FernetDecryptOptions {
  /** Refuse tokens older than this; without it the age does not matter. */
  readonly ttlSeconds?: number | undefined;
  /** Ms since the epoch. */
  readonly now?: number | undefined;
}

export interface FernetEncryptOptions {
  /** Ms since the epoch. */
  readonly now?: number | undefined;
  /** 16 bytes; only tests give one. */
  readonly iv?: Uint8Array | undefined;
}

const VERSION = 0x80;
const HEADER_BYTES = 1 + 8 + 16;
const MAC_BYTES = 32;
const BLOCK_BYTES = 16;
/** How far ahead the clock of the other side may be, as the Python recipe has it. */
const MAX_CLOCK_SKEW_SECONDS = 60;

export function generateFernetKey(): string {
  return encode(randomBytes(32));
}

/** Whether a value is meant as a Fernet token: version byte 0x80, and a time before the year 2106. */
export function looksLikeFernet(value: string): boolean {
  return value.startsWith('gAAAAA');
}

/**
 * Whether a value is a Fernet token or was one before something damaged it: the size fits and at least four of
 * the first five bytes do. A secret that is none would have to begin so by chance (about one in 2^30).
 */
export function resemblesFernet(value: string): boolean {
  const text = value.trim();
  if (looksLikeFernet(text)) return true;
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length < HEADER_BYTES + BLOCK_BYTES + MAC_BYTES) return false;
  if ((bytes.length - HEADER_BYTES - MAC_BYTES) % BLOCK_BYTES !== 0) return false;
  return [VERSION, 0, 0, 0, 0].filter((byte, i) => bytes[i] === byte).length >= 4;
}

/** @throws FernetError when the key is none. */
export function encryptFernet(
  plaintext: string | Uint8Array,
  key: string,
  options: FernetEncryptOptions = {},
): string {
  const { signing, encryption } = splitKey(key);
  const iv = options.iv ?? randomBytes(16);
  const cipher = createCipheriv('aes-128-cbc', encryption, iv);
  const head = Buffer.alloc(9);
  head.writeUInt8(VERSION, 0);
  head.writeBigUInt64BE(BigInt(Math.floor((options.now ?? Date.now()) / 1000)), 1);
  const body = Buffer.concat([head, iv, cipher.update(plaintext), cipher.final()]);
  return encode(Buffer.concat([body, mac(body, signing)]));
}

/**
 * The plaintext of a token, after its signature was checked.
 * @throws FernetError when the key is none, or the token is not exactly what its maker wrote.
 */
export function decryptFernet(token: string, key: string, options: FernetDecryptOptions = {}): Buffer {
  const { signing, encryption } = splitKey(key);
  const bytes = decode(token);
  const cipherBytes = (bytes?.length ?? 0) - HEADER_BYTES - MAC_BYTES;
  if (!bytes || bytes[0] !== VERSION || cipherBytes < BLOCK_BYTES || cipherBytes % BLOCK_BYTES !== 0) {
    throw new FernetError('token');
  }
  const body = bytes.subarray(0, -MAC_BYTES);
  if (!timingSafeEqual(mac(body, signing), bytes.subarray(-MAC_BYTES))) throw new FernetError('token');
  checkAge(Number(bytes.readBigUInt64BE(1)), options);
  try {
    const decipher = createDecipheriv('aes-128-cbc', encryption, body.subarray(9, HEADER_BYTES));
    return Buffer.concat([decipher.update(body.subarray(HEADER_BYTES)), decipher.final()]);
  } catch {
    throw new FernetError('token');
  }
}

function checkAge(madeAt: number, { ttlSeconds, now = Date.now() }: FernetDecryptOptions): void {
  if (ttlSeconds === undefined) return;
  const seconds = Math.floor(now / 1000);
  if (madeAt + ttlSeconds < seconds || madeAt > seconds + MAX_CLOCK_SKEW_SECONDS)
    throw new FernetError('token');
}

function splitKey(key: string): { signing: Buffer; encryption: Buffer } {
  const bytes = decode(key);
  if (bytes?.length !== 32) throw new FernetError('key');
  return { signing: bytes.subarray(0, 16), encryption: bytes.subarray(16) };
}

function mac(body: Uint8Array, signing: Uint8Array): Buffer {
  return createHmac('sha256', signing).update(body).digest();
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** Node's decoder skips what it does not know, so a changed token could pass: what does not encode back is refused. */
function decode(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return encode(bytes) === text ? bytes : undefined;
}
