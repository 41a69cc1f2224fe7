/**
 * Where it is kept how a certificate came by ACME.
 *
 * Of its own, because every renewal asks whether the file is there, and most need nothing else of ACME.
 *
 * @module
 */

/** The file beside a certificate. @param base - the path of the certificate without its ending */
export function renewalFile(base: string): string {
  return `${base}.acme.json`
}
