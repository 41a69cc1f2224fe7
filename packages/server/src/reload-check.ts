/**
 * What is wrong with the certificate a server is about to go on with, held against the one it has: faults that would be seen only by
 * clients, one after the other. What no certificate may have is refused earlier, when the context is made: a key of another
 * certificate, one that has ended, a chain that does not link up.
 *
 * @module
 */
import type { TlsContext } from '@countersign/tls'
import { type Certificate, lint } from '@countersign/x509'
import { ServerError } from './errors.ts'

/**
 * Checks the next certificate.
 *
 * @param fromFiles - nobody named another certificate, the same files are read again: then it is meant for the same names
 * @throws {@link ServerError} `reload-refused`
 */
export function checkNext(before: TlsContext, next: TlsContext, fromFiles: boolean): void {
  const { certificate } = next
  if (certificate === undefined || before.certificate === undefined) return
  if (before.certificate.equals(certificate) && before.chain.length === next.chain.length) return
  const [, issuer] = before.chain
  if (issuer !== undefined && next.chain.length === 1 && certificate.issuedBy(issuer)) {
    throw refused(
      'the new certificate comes without its issuer, which clients have been sent so far',
      'put the certificate of the issuer behind it',
    )
  }
  const names = namesOf(before.certificate)
  if (fromFiles && names.length > 0 && !names.some((name) => namesOf(certificate).includes(name))) {
    throw refused(
      `the new certificate holds none of the names of the old one (${names.slice(0, 5).join(', ')})`,
      'put the right certificate there, or pass it to reload({ cert, key }) if it is meant',
    )
  }
  const old = new Set(faultsOf(before.certificate).map(({ id }) => id))
  const [fault] = faultsOf(certificate).filter(({ id }) => !old.has(id))
  if (fault !== undefined) {
    throw refused(
      `the new certificate has a defect that the old one has not: ${fault.message} (${fault.id})`,
      fault.fix,
    )
  }
}

/** Host names and addresses, in the order of the certificate. */
export function namesOf(certificate: Certificate): string[] {
  return [...certificate.dnsNames, ...certificate.ipAddresses]
}

/** What is wrong with a certificate; known of the one that is served since it was the next. */
function faultsOf(certificate: Certificate): readonly Fault[] {
  const faults =
    known.get(certificate) ?? lint(certificate).filter(({ severity }) => severity === 'error')
  known.set(certificate, faults)
  return faults
}

interface Fault {
  readonly id: string
  readonly message: string
  readonly fix: string
}

const known = new WeakMap<Certificate, readonly Fault[]>()

function refused(message: string, hint: string): ServerError {
  return new ServerError('reload-refused', message, { option: 'cert', hint })
}
