/**
 * PKCS#12 files: certificate, chain and key in one, behind a passphrase.
 *
 * @module
 */
import { errorCode, errorMessage, readBoundedFile } from '@countersign/core'
import { decodePkcs12, type Pkcs12, X509Error } from '@countersign/x509'
import { TlsError, type TlsErrorCode } from './errors.ts'

/**
 * Opens a bundle.
 *
 * @param pfx - its bytes or its path
 * @throws {@link TlsError} `pfx-missing`, `pfx-malformed`, `pfx-legacy` with the command that converts it,
 * `passphrase-required`, `passphrase-wrong`
 */
export function openPkcs12(pfx: Uint8Array | string, passphrase: string | undefined): Pkcs12 {
  const name = typeof pfx === 'string' ? `option pfx: ${pfx}` : 'option pfx'
  const bytes = typeof pfx === 'string' ? readBundle(pfx) : pfx
  try {
    return decodePkcs12(bytes, passphrase ?? '', name)
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    const detail = { source: 'pfx', path: typeof pfx === 'string' ? pfx : undefined, cause: error }
    if (error.code === 'passphrase-wrong') {
      throw passphrase === undefined || passphrase === ''
        ? new TlsError('passphrase-required', `${name} is encrypted and no passphrase was given`, {
            ...detail,
            hint: 'pass it as `passphrase`',
          })
        : new TlsError('passphrase-wrong', `the passphrase does not open ${name}`, {
            ...detail,
            hint: error.hint,
          })
    }
    const code: TlsErrorCode = error.code === 'pkcs12-legacy' ? 'pfx-legacy' : 'pfx-malformed'
    const hint = error.hint ?? 'a .p12 or .pfx file belongs here; PEM goes into `cert` and `key`'
    throw new TlsError(code, error.message, { ...detail, hint })
  }
}

function readBundle(file: string): Uint8Array {
  try {
    return readBoundedFile(file)
  } catch (error) {
    const code = errorCode(error)
    throw new TlsError(
      'pfx-missing',
      code === 'ENOENT'
        ? `option pfx: there is no file ${file}`
        : `option pfx: cannot read ${file}: ${errorMessage(error)}`,
      { source: 'pfx', path: file, nodeCode: code, cause: error },
    )
  }
}
