/**
 * The media type of a file, by its name: enough to send what people send.
 *
 * @module
 */
import path from 'node:path'

/** The type of a file; `application/octet-stream` where its name says nothing. */
export function mediaTypeOf(file: string): string {
  return TYPES.get(path.extname(file).slice(1).toLowerCase()) ?? 'application/octet-stream'
}

const TYPES: ReadonlyMap<string, string> = new Map([
  ['bin', 'application/octet-stream'],
  ['bz2', 'application/x-bzip2'],
  ['cer', 'application/pkix-cert'],
  ['crl', 'application/pkix-crl'],
  ['crt', 'application/x-x509-ca-cert'],
  ['css', 'text/css'],
  ['csv', 'text/csv'],
  ['gif', 'image/gif'],
  ['gz', 'application/gzip'],
  ['htm', 'text/html'],
  ['html', 'text/html'],
  ['jpeg', 'image/jpeg'],
  ['jpg', 'image/jpeg'],
  ['js', 'text/javascript'],
  ['json', 'application/json'],
  ['md', 'text/markdown'],
  ['p10', 'application/pkcs10'],
  ['p12', 'application/x-pkcs12'],
  ['pdf', 'application/pdf'],
  ['pem', 'application/x-pem-file'],
  ['png', 'image/png'],
  ['svg', 'image/svg+xml'],
  ['tar', 'application/x-tar'],
  ['toml', 'application/toml'],
  ['txt', 'text/plain'],
  ['webp', 'image/webp'],
  ['xml', 'application/xml'],
  ['yaml', 'application/yaml'],
  ['yml', 'application/yaml'],
  ['zip', 'application/zip'],
  ['zst', 'application/zstd'],
])
