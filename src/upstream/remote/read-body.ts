/**
 * Reads a body up to `maxBytes` of decoded bytes and ends it there, so that a small compressed body cannot become a
 * large one. Rejects as the body does (broken connection, abort).
 */
export async function readCapped(
  response: Response,
  maxBytes: number,
): Promise<{ bytes: Buffer; whole: boolean }> {
  const chunks: Uint8Array[] = [];
  let held = 0;
  if (response.body) {
    // Leaving the loop early cancels the body, which closes its socket.
    for await (const chunk of response.body) {
      chunks.push(chunk);
      held += chunk.byteLength;
      if (held > maxBytes) break;
    }
  }
  return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), whole: held <= maxBytes };
}
