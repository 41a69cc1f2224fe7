/**
 * What is kept beside a certificate that came by ACME, so that it can be renewed: `NAME.acme.json`.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { writeFileAtomic } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { type AcmeConnection, documentOf } from './connection.ts'
import { renewalTime } from '../renewal-time.ts'

/** The file of a certificate. @param base - its path without the ending */
export function renewalFile(base: string): string {
  return `${base}.acme.json`
}

/** The identifier of a certificate (RFC 9773 §4.1). */
function ariId(certificate: Certificate): string | undefined {
  const keyId = certificate.extensions.authorityKeyIdentifier?.keyId
  if (keyId === undefined) return undefined
  const bytes = Buffer.from(certificate.serialNumber, 'hex')
  const serial = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
  return `${Buffer.from(keyId).toString('base64url')}.${serial.toString('base64url')}`
}

/** The identifier of the certificate that is there now, where it came from the same server. */
export function readRenewal(base: string, directory: string): string | undefined {
  const file = renewalFile(base)
  if (!existsSync(file)) return undefined
  let kept: unknown
  try {
    kept = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    // Damaged: it only helps the server to know what is renewed.
    return undefined
  }
  if (typeof kept !== 'object' || kept === null) return undefined
  const facts = new Map<string, unknown>(Object.entries(kept))
  const id = facts.get('certificate')
  return facts.get('directory') === directory && typeof id === 'string' ? id : undefined
}

/**
 * Asks when the certificate should be renewed, and keeps the answer.
 *
 * @returns the time: what the server suggests, else two thirds of the life
 */
export async function keepRenewal(
  connection: AcmeConnection,
  base: string,
  facts: { directory: string; names: readonly string[]; leaf: Certificate },
): Promise<Date> {
  const { directory, names, leaf } = facts
  const certificate = ariId(leaf)
  const start = await suggestedStart(connection, certificate)
  const renewAfter = start ?? renewalTime(leaf)
  const kept = { directory, account: connection.account, names, certificate, renewAfter }
  await writeFileAtomic(renewalFile(base), `${JSON.stringify(kept, undefined, 2)}\n`)
  return renewAfter
}

/** The start of the window that the server suggests (RFC 9773 §4.2); a server that does not answer is not waited for. */
async function suggestedStart(
  connection: AcmeConnection,
  certificate: string | undefined,
): Promise<Date | undefined> {
  if (certificate === undefined || !connection.directory.has('renewalInfo')) return undefined
  const answer = await connection.get(`${connection.resource('renewalInfo')}/${certificate}`)
  if (answer.status !== 200) return undefined
  const window = documentOf(answer).get('suggestedWindow')
  const start: unknown =
    typeof window === 'object' && window !== null ? Reflect.get(window, 'start') : undefined
  const time = typeof start === 'string' ? Date.parse(start) : Number.NaN
  return Number.isNaN(time) ? undefined : new Date(time)
}
