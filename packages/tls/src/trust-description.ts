/**
 * A trust store as data: what it holds, and where that came from.
 *
 * @module
 */

/** Where a part of a trust store came from. */
export interface TrustSource {
  readonly kind:
    | 'file'
    | 'folder'
    | 'data-folder'
    | 'pem'
    | 'der'
    | 'certificate'
    | 'store'
    | 'system'
    | 'bundled'
  /** The option or environment variable that named it: `option ca`, `SSL_CERT_FILE`. */
  readonly name: string
  readonly path?: string | undefined
  /** Certificates it holds, before duplicates are dropped. */
  readonly count: number
}

/** What `TrustStore.describe` answers. */
export interface TrustDescription {
  sources: TrustSource[]
  /** Which source won and what it beat, one sentence each. */
  trace: string[]
  /** Certificates, duplicates counted once. */
  count: number
  /** SHA-256 over the sorted fingerprints: equal for equal sets. */
  sha256: string
}
