/** Signing requests with names that no library would write, and a good signature all the same. */
import { sign } from 'node:crypto'
import { createRequest, PrivateKey } from '@countersign/x509'

/**
 * A request for one name, some bytes of which are others.
 *
 * @param name - as it is written first
 * @param part - what of it is replaced
 * @param bytes - by as many bytes
 * @returns DER
 */
export function spoiltRequest(name: string, part: string, bytes: Uint8Array): Uint8Array {
  // Of this type every signature is equally long.
  const key = PrivateKey.generateSync('ed25519')
  const der = Buffer.from(
    createRequest({ subjectAltNames: [{ type: 'dns', value: name }], key }).der,
  )
  const at = der.indexOf(name) + name.indexOf(part)
  if (bytes.length !== part.length) throw new Error('the length must stay')
  der.set(bytes, at)
  const start = bodyOf(der, 0)
  const body = bodyOf(der, start)
  const length = der[start + 1] ?? 0
  const end = body + (length < 0x80 ? length : (der[start + 2] ?? 0))
  der.set(sign(null, der.subarray(start, end), key.keyObject), der.length - 64)
  return new Uint8Array(der)
}

/** What is written over a name `axxb…`, and what with. */
export const SPOILT: readonly (readonly [what: string, part: string, bytes: Uint8Array])[] = [
  ['a NUL', 'x', Uint8Array.of(0)],
  ['a line end', 'x', Uint8Array.of(10)],
  ['a homograph in UTF-8', 'xx', new TextEncoder().encode('\u0430')],
]

/** Where the content of an element below 256 bytes begins. */
function bodyOf(der: Uint8Array, at: number): number {
  return at + ((der[at + 1] ?? 0) < 0x80 ? 2 : 3)
}
