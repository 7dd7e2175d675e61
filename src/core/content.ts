/** Something kept outside the context: a long text, an image, a sound. */
export interface ContentRef {
  /** 36 characters, lower-case UUID v4. */
  readonly id: string;
  readonly principal: string;
  readonly kind: 'text' | 'image' | 'audio' | 'binary';
  readonly mimeType: string;
  readonly bytes: number;
  /** SHA-256 of the bytes, hex. */
  readonly sha256: string;
  /** Ms since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
}
