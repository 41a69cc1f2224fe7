/**
 * Revocation over ACME (RFC 8555 §7.6): by the account that ordered, by one that holds every name, or by the certificate's own key.
 *
 * @module
 */
import { Certificate, type RevocationReason, X509Error } from '@countersign/x509'
import { AuthorityError } from '../errors.ts'
import { identifierOf, validatedName } from './identifiers.ts'
import { fromBase64Url, requiredText } from './json.ts'
import { AcmeProblem, malformed, notFound } from './problem.ts'
import { type AccountRow, payloadOf, type SignedRequest } from './request.ts'
import type { Identifier } from './schema.ts'
import type { AcmeState } from './state.ts'

/**
 * Revokes a certificate of this authority.
 *
 * @throws AcmeProblem `malformed`, `badRevocationReason`, `alreadyRevoked`, `unauthorized`, 404
 */
export async function revokeCertificate(state: AcmeState, request: SignedRequest): Promise<void> {
  const payload = payloadOf(request)
  const der = fromBase64Url(requiredText(payload, 'certificate', 'the payload'), 'certificate')
  const reason = reasonOf(payload.get('reason'))
  const certificate = parse(der)
  const entry = await state.authority.find(certificate.fingerprint)
  if (entry === undefined) throw notFound('certificate')
  if (!(await mayRevoke(state, request, certificate))) {
    await noteRefusal(state, request, certificate)
    throw new AcmeProblem(
      'unauthorized',
      'this is neither the key nor the account of the certificate, nor one that holds its names',
    )
  }
  const who = nameOf(request)
  // One that was revoked before stays as it is, and whoever the authority tells is told again.
  await state.authority.revoke(certificate.fingerprint, reason, who)
  if (entry.revokedAt !== undefined) {
    throw new AcmeProblem('alreadyRevoked', 'the certificate was revoked before')
  }
}

function nameOf({ account }: SignedRequest): string {
  return account === undefined ? 'the key of the certificate' : `acme ${account.id}`
}

async function noteRefusal(
  state: AcmeState,
  request: SignedRequest,
  { serialNumber }: Certificate,
): Promise<void> {
  const name = request.account === undefined ? 'another key' : nameOf(request)
  const refused = new AuthorityError('requester-refused', 'it is not the one of the certificate')
  await state.audit?.refused(name, `revoke ${serialNumber}`, refused)
}

async function mayRevoke(
  state: AcmeState,
  { account, key }: SignedRequest,
  certificate: Certificate,
): Promise<boolean> {
  if (account === undefined) return key.publicKey.equals(certificate.publicKey)
  const own = await state.database
    .selectFrom('acme_certificate')
    .select('id')
    .where('fingerprint', '=', certificate.fingerprint)
    .where('account', '=', account.id)
    .executeTakeFirst()
  return own !== undefined || (await holdsNames(state, account, certificate))
}

/** Whether an account has a valid authorization for every name; a name of a kind that is never ordered is held by nobody. */
async function holdsNames(
  state: AcmeState,
  account: AccountRow,
  certificate: Certificate,
): Promise<boolean> {
  const identifiers = certificate.subjectAltNames.map((name) => identifierOf(name))
  if (identifiers.length === 0) return false
  for (const identifier of identifiers) {
    if (identifier === undefined || !(await holdsName(state, account, identifier))) return false
  }
  return true
}

async function holdsName(
  state: AcmeState,
  account: AccountRow,
  identifier: Identifier,
): Promise<boolean> {
  const { value, wildcard } = validatedName(identifier)
  const row = await state.database
    .selectFrom('acme_authorization')
    .select('id')
    .where('account', '=', account.id)
    .where('identifier_type', '=', identifier.type)
    .where('identifier_value', '=', value)
    .where('wildcard', '=', wildcard)
    .where('status', '=', 'valid')
    .where('expires_at', '>', state.clock().getTime())
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

function parse(der: Uint8Array): Certificate {
  try {
    return Certificate.parse(new Uint8Array(der), 'the certificate')
  } catch (error) {
    if (error instanceof X509Error) throw malformed(error.message)
    throw error
  }
}

/** A reason by its number (RFC 5280 §5.3.1); those that are about authorities, or can be taken back, are not for clients. */
function reasonOf(value: unknown): RevocationReason {
  if (value === undefined) return 'unspecified'
  const reason = typeof value === 'number' ? REASONS[value] : undefined
  if (reason !== undefined) return reason
  throw new AcmeProblem('badRevocationReason', 'reasons are 0, 1, 3, 4, 5 and 9')
}

const REASONS: readonly (RevocationReason | undefined)[] = [
  'unspecified',
  'keyCompromise',
  undefined,
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  undefined,
  undefined,
  undefined,
  'privilegeWithdrawn',
]
