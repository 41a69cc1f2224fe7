/**
 * Where it is kept how a certificate came by ACME.
 *
 * Of its own, because every renewal asks whether the file is there, and most need nothing else of ACME.
 *
 * @module
 */
import path from 'node:path'

/** The file beside a certificate. @param base - the path of the certificate without its ending */
export function renewalFile(base: string): string {
  return `${base}.acme.json`
}

/** The path of a certificate without its ending. */
export function baseOf(file: string): string {
  const { dir, name } = path.parse(file)
  return path.join(dir, name)
}
