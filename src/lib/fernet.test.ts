import { describe, expect, it } from 'vitest';
import {
  decryptFernet,
  encryptFernet,
  FernetError,
  generateFernetKey,
  looksLikeFernet,
  resemblesFernet,
} from './fernet.js';

// The vectors of https://github.com/fernet/spec: generate.json, verify.json, invalid.json.
const SECRET = 'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=';
const TOKEN =
  'gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==';
const at = (iso: string) => Date.parse(iso);

describe('the vectors of the Fernet specification', () => {
  it('generate: makes the very token', () => {
    const iv = Uint8Array.from({ length: 16 }, (_, i) => i);
    expect(encryptFernet('hello', SECRET, { now: at('1985-10-26T01:20:00-07:00'), iv })).toBe(TOKEN);
  });

  it('verify: reads it', () => {
    const options = { ttlSeconds: 60, now: at('1985-10-26T01:20:01-07:00') };
    expect(decryptFernet(TOKEN, SECRET, options).toString()).toBe('hello');
  });

  const now = '1985-10-26T01:20:01-07:00';
  it.each([
    [
      'incorrect mac',
      now,
      'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==',
    ],
    ['too short', now, 'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA=='],
    [
      'invalid base64',
      now,
      '%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==',
    ],
    [
      'payload size not multiple of block size',
      now,
      'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm',
    ],
    [
      'payload padding error',
      now,
      'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==',
    ],
    [
      'far-future TS (unacceptable clock skew)',
      now,
      'gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==',
    ],
    [
      'expired TTL',
      '1985-10-26T01:21:31-07:00',
      'gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==',
    ],
    [
      'incorrect IV (causes padding error)',
      now,
      'gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==',
    ],
    ['trailing characters after b64 padding', now, `${TOKEN}trailingdata`],
    [
      'invalid characters in b64',
      now,
      '*gAAAAAAdwJ6wAAECAwQFBgcI!CQoLDA0ODy021?cpGVWKZ_eEwC@GM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==',
    ],
    [
      'invalid non-urlsafe characters in b64',
      now,
      'gAAAAAAdwJ6wAAEC/AwQFBgcICQoLDA0ODy+021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==',
    ],
  ])('invalid: %s', (_, clock, token) => {
    expect(() => decryptFernet(token, SECRET, { ttlSeconds: 60, now: at(clock) })).toThrow(FernetError);
  });
});

describe('fernet', () => {
  it('refuses a token of which any byte was changed', () => {
    const bytes = Buffer.from(TOKEN, 'base64url');
    for (let i = 0; i < bytes.length; i++) {
      for (const bit of [0x01, 0x80]) {
        const changed = Buffer.from(bytes);
        changed[i] = (changed[i] ?? 0) ^ bit;
        const token = changed.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
        expect(() => decryptFernet(token, SECRET), `byte ${i}`).toThrow(FernetError);
      }
    }
  });

  it('refuses a token of which any character was changed, added or left out', () => {
    for (let i = 0; i < TOKEN.length; i++) {
      const other = TOKEN[i] === 'A' ? 'B' : 'A';
      for (const put of [other, '', ' ', '=', '+', `${TOKEN[i]}\n`]) {
        const token = TOKEN.slice(0, i) + put + TOKEN.slice(i + 1);
        if (token === TOKEN) continue;
        expect(() => decryptFernet(token, SECRET), JSON.stringify(token)).toThrow(FernetError);
      }
    }
  });

  it('gives back what it was given, whatever its length', () => {
    const key = generateFernetKey();
    for (const length of [0, 1, 15, 16, 17, 1000]) {
      const text = 'é'.repeat(length);
      const token = encryptFernet(text, key);
      expect(looksLikeFernet(token)).toBe(true);
      expect(decryptFernet(token, key).toString()).toBe(text);
    }
  });

  it('does not look at the age without a ttl', () => {
    expect(decryptFernet(TOKEN, SECRET).toString()).toBe('hello');
  });

  it.each(['', 'short', SECRET.slice(0, -1), `${SECRET}=`, SECRET.replace('c', '%')])(
    'says that %j is no key',
    (key) => {
      expect(() => encryptFernet('x', key)).toThrow(expect.objectContaining({ reason: 'key' }));
      expect(() => decryptFernet(TOKEN, key)).toThrow(expect.objectContaining({ reason: 'key' }));
    },
  );

  it('recognises a token even when one of its bytes was changed', () => {
    const bytes = Buffer.from(TOKEN, 'base64url');
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i] = (changed[i] ?? 0) ^ 0xff;
      expect(resemblesFernet(changed.toString('base64')), `byte ${i}`).toBe(true);
    }
    expect(resemblesFernet(TOKEN.slice(0, 50))).toBe(true);
    expect(resemblesFernet(` ${TOKEN}`)).toBe(true);
  });

  it.each(['', 'sk-abc', 'hello', SECRET, 'x'.repeat(100), `eyJhbGciOiJIUzI1NiJ9.${'a'.repeat(79)}`])(
    'does not take %j for a token',
    (value) => {
      expect(resemblesFernet(value)).toBe(false);
    },
  );

  it('refuses another key', () => {
    expect(() => decryptFernet(TOKEN, generateFernetKey())).toThrow(
      expect.objectContaining({ reason: 'token' }),
    );
  });
});
