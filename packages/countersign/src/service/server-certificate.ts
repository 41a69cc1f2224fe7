/**
 * The service's own certificate: issued by its authority, kept in the data folder, renewed at two thirds of its life.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import type { Authority } from '@countersign/authority'
import { type Clock, CountersignError, writeFileAtomic } from '@countersign/core'
import { Certificate, type GeneralName, parseGeneralName, PrivateKey } from '@countersign/x509'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import { renewalTime } from '../renewal-time.ts'
import { namesAddress } from './public-address.ts'

/** A certificate with its key, as `serve` takes them. */
export interface ServerIdentity {
  certificate: Certificate
  /** Leaf, issuer, and what leads clients of a former root to the next. */
  chainPem: string
  keyPem: string
  /** When it has to be replaced. */
  renewAt: Date
}

/**
 * The identity in the data folder where it still serves, else a new one.
 *
 * @param names - host names and addresses that it has to cover
 */
export async function ensureServerIdentity(
  authority: Authority,
  data: DataFolder,
  names: readonly string[],
  clock: Clock,
): Promise<ServerIdentity> {
  const kept = readIdentity(data)
  if (kept !== undefined && (await stillServes(kept, authority, names, clock()))) return kept
  return await issueServerIdentity(authority, data, names)
}

/** Issues a new certificate for a new key and replaces the files. */
async function issueServerIdentity(
  authority: Authority,
  data: DataFolder,
  names: readonly string[],
): Promise<ServerIdentity> {
  const key = await PrivateKey.generate('p256')
  const issued = await authority.issue({
    names: [...names],
    publicKey: key.publicKey,
    profile: 'server',
    requester: 'countersign up',
  })
  const chainPem = pemOf(issued.chain)
  const keyPem = key.toPem()
  // Killed between the two, the pair does not match and is made again at the next start.
  await writeFileAtomic(data.serverKey, keyPem)
  await writeFileAtomic(data.serverCertificate, chainPem)
  return toIdentity(issued.certificate, chainPem, keyPem)
}

/**
 * The names of the service's certificate: those that were asked for, and of the usual ones those that its authority may sign;
 * one constrained to other names leaves out `localhost`.
 *
 * @throws {@link ProgramError} `name-not-permitted` where one that was asked for may not be signed, or nothing is left
 */
export function permittedNames(
  authority: Authority,
  asked: readonly string[],
  usual: readonly string[],
): string[] {
  const refused = asked.find((name) => !authority.permits(name))
  if (refused !== undefined) {
    throw new ProgramError('name-not-permitted', `this authority may not sign ${refused}`, {
      hint: 'leave it out, or take it out of the names in countersign.toml',
    })
  }
  const permitted = new Set([...usual.filter((name) => authority.permits(name)), ...asked])
  if (permitted.size > 0) return [...permitted]
  throw new ProgramError(
    'name-not-permitted',
    `this authority may sign none of ${usual.join(', ')}`,
    { hint: 'give a name inside its constraints: countersign up --name ca.corp.internal' },
  )
}

/** The identity in the data folder; `undefined` where there is none, or its files do not belong together. */
export function readIdentity(data: DataFolder): ServerIdentity | undefined {
  if (!existsSync(data.serverCertificate) || !existsSync(data.serverKey)) return undefined
  const chainPem = readFileSync(data.serverCertificate, 'utf8')
  const keyPem = readFileSync(data.serverKey, 'utf8')
  try {
    const [certificate] = Certificate.parseAll(chainPem, data.serverCertificate)
    const key = PrivateKey.parse(keyPem, { source: data.serverKey })
    if (certificate === undefined || !key.publicKey.equals(certificate.publicKey)) return undefined
    return toIdentity(certificate, chainPem, keyPem)
  } catch (error) {
    // A damaged file is made again: it holds nothing that cannot be.
    if (error instanceof CountersignError) return undefined
    throw error
  }
}

function toIdentity(certificate: Certificate, chainPem: string, keyPem: string): ServerIdentity {
  return { certificate, chainPem, keyPem, renewAt: renewalTime(certificate) }
}

/**
 * Whether a certificate can be shown a while longer: young, not revoked, with all the names, with the chain that servers send
 * now, and with the address at which clients ask about it.
 */
export async function stillServes(
  identity: ServerIdentity,
  authority: Authority,
  names: readonly string[],
  now: Date,
): Promise<boolean> {
  const { certificate } = identity
  const fits =
    certificate.isValidAt(now) &&
    now < identity.renewAt &&
    identity.chainPem === pemOf([certificate, ...authority.chain]) &&
    (authority.publicUrl === undefined || namesAddress(certificate, authority.publicUrl)) &&
    names.every((name) => covers(certificate, parseGeneralName(name)))
  if (!fits) return false
  return (await authority.find(certificate.fingerprint))?.revokedAt === undefined
}

function pemOf(chain: readonly Certificate[]): string {
  return chain.map((certificate) => certificate.pem).join('')
}

function covers(certificate: Certificate, name: GeneralName): boolean {
  return certificate.subjectAltNames.some(
    (own) =>
      own.type === name.type && 'value' in own && 'value' in name && own.value === name.value,
  )
}
