/**
 * A place on this machine that holds a certificate.
 *
 * @module
 */
import type { CertificateFacts } from './certificate-description.ts'

/** What kind of place holds a certificate. */
export type PlaceKind = 'system' | 'bundled' | 'environment' | 'data-folder' | 'mkcert' | 'other'

/** A place that holds the missing certificate, or an old one of its name. */
export interface Place {
  kind: PlaceKind
  /** The variables or the program it belongs to: `SSL_CERT_FILE, CURL_CA_BUNDLE`, `mkcert`. */
  name: string
  /** The file, absolute; `undefined` for roots that lie in no file. */
  path?: string | undefined
  certificate: CertificateFacts
  /** Lower-case hex. */
  keyId?: string | undefined
  /** A file that can be given to `--ca` as it stands, once `command` has made it where there is one. */
  ca: string
  /** Makes the file `ca` in the current folder; only for roots that lie in no file. */
  command?: string | undefined
  /** Whether only the name is the same: the key did not make the signature. The root was made again, and this is the old one or another. */
  sameNameOnly: boolean
}
