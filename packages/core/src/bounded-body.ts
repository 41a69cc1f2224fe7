/**
 * The body of a request of a stranger, up to a limit.
 *
 * @module
 */

/**
 * Reads a body, and stops at the limit: what a peer announces is believed only where it is too much.
 *
 * @param limit - bytes
 * @returns the bytes, or `undefined` where there are more
 */
export async function readBoundedBody(
  request: Request,
  limit: number,
): Promise<Uint8Array | undefined> {
  const announced = request.headers.get('content-length')
  if (Number(announced ?? 0) > limit) return undefined
  if (announced !== null && !request.headers.has('transfer-encoding')) {
    // No HTTP server hands on more than was announced (RFC 9112 §6.3, RFC 9113 §8.1.1), and read in one piece it needs no stream of the web.
    const body = new Uint8Array(await request.arrayBuffer())
    return body.length > limit ? undefined : body
  }
  if (request.body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  // Not cancelled half way: that would close the connection under the answer.
  for await (const chunk of request.body.values({ preventCancel: true })) {
    length += chunk.length
    if (length > limit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
