/**
 * `countersign revoke FILE --acme URL`: by the account that ordered the certificate (RFC 8555 §7.6).
 *
 * @module
 */
import { type RevocationReason, REVOCATION_REASONS } from '@countersign/x509'
import type { CommandContext } from '../command.ts'
import { readLeaf } from '../leaf-file.ts'
import { openExistingAccount } from './account.ts'
import { type AcmeTrustFlags, directoryUrl, openAcmeSession } from './session.ts'

/**
 * Asks a server to revoke a certificate.
 *
 * @param file - the certificate, PEM
 * @throws ProgramError `not-found`, `acme-refused`, `acme-invalid`, `usage`, `file-unreadable`
 */
export async function revokeByAcme(
  file: string,
  flags: AcmeTrustFlags & { acme: string },
  reason: RevocationReason | undefined,
  { output, data }: CommandContext,
): Promise<void> {
  const { certificate } = await readLeaf(file)
  const directory = directoryUrl(flags.acme)
  await using session = await openAcmeSession(flags, data, directory)
  const connection = await openExistingAccount(session.fetch, directory)
  await connection.post(connection.resource('revokeCert'), {
    certificate: Buffer.from(certificate.der).toString('base64url'),
    reason: reason === undefined ? undefined : REVOCATION_REASONS.indexOf(reason),
  })
  const { serialNumber, fingerprint } = certificate
  output.result({ serial: serialNumber, fingerprint }, `revoked ${file} (serial ${serialNumber})`)
}
