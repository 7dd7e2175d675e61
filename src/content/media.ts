import { extname } from 'node:path';

/** What can be said of an image or a sound from its first bytes, e.g. `800x600` or `2.5 s`; undefined when unknown. */
export function measure(mimeType: string, bytes: Buffer): string | undefined {
  try {
    const size = dimensions(bytes);
    if (size) return `${size.width}x${size.height}`;
    if (mimeType.includes('svg')) return svgSize(bytes);
    return wavSeconds(bytes);
  } catch (error) {
    // A header that ends too early says nothing; everything else is ours.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function dimensions(bytes: Buffer): Size | undefined {
  const ascii = (from: number, to: number) => bytes.toString('latin1', from, to);
  if (ascii(1, 4) === 'PNG' && bytes[0] === 0x89) {
    return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
  }
  if (ascii(0, 3) === 'GIF') return { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegSize(bytes);
  if (ascii(0, 4) === 'RIFF' && ascii(8, 12) === 'WEBP') return webpSize(bytes, ascii(12, 16));
  return undefined;
}

/** The first start-of-frame segment. C4, C8 and CC share its range but are other things. */
function jpegSize(bytes: Buffer): Size | undefined {
  let at = 2;
  while (at < bytes.length) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes.readUInt8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    }
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

function webpSize(bytes: Buffer, form: string): Size | undefined {
  if (form === 'VP8X') return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
  if (form === 'VP8 ')
    return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
  if (form === 'VP8L') {
    const bits = bytes.readUInt32LE(21);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  return undefined;
}

function svgSize(bytes: Buffer): string | undefined {
  const tag = /<svg[^>]{0,2000}>/.exec(bytes.toString('utf8', 0, 8192))?.[0] ?? '';
  const of = (name: string) => new RegExp(`\\b${name}="([\\d.]{1,12})(?:px)?"`).exec(tag)?.[1];
  const width = of('width');
  const height = of('height');
  return width && height ? `${width}x${height}` : undefined;
}

function wavSeconds(bytes: Buffer): string | undefined {
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE')
    return undefined;
  let bytesPerSecond = 0;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = bytes.toString('latin1', at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    if (name === 'fmt ') bytesPerSecond = bytes.readUInt32LE(at + 16);
    if (name === 'data') return bytesPerSecond > 0 ? `${(length / bytesPerSecond).toFixed(1)} s` : undefined;
    at += 8 + length + (length % 2);
  }
  return undefined;
}

const mediaTypes: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
  '.wav': 'audio/wav',
  '.mp3': 'audio/mpeg',
};

/** For a resource without a type: what its URI looks like. */
export function mediaTypeOf(uri: string): string | undefined {
  return mediaTypes[extname(uri.split(/[?#]/, 1)[0] ?? '').toLowerCase()];
}

/** `512 bytes`, `3.4 KB`, `12 MB`. */
export function humanBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const [value, unit] =
    bytes < 1e6 ? [bytes / 1e3, 'KB'] : bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB'];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}
