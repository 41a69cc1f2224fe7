/**
 * The renewal of a certificate that came by ACME: from the same server, by the same account, proven in the same way.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Certificate, type PrivateKey, verifyChain } from '@countersign/x509'
import type { DataFolder } from '../data-folder.ts'
import { renewalTime } from '../renewal-time.ts'
import { openExistingAccount } from './account.ts'
import { type AcmeRecord, ariId, recordOf, writeRecord } from './renewal.ts'
import { type RenewalWindow, suggestedWindow } from './renewal-window.ts'
import { obtainReplacing } from './replacing.ts'
import { openAcmeSession } from './session.ts'
import { openSolver } from './solvers.ts'

/** What is renewed. */
export interface AcmeRenewal {
  readonly record: AcmeRecord
  /** The path of the certificate without its ending. */
  readonly base: string
  readonly before: Certificate
  /** The key of the next certificate. */
  readonly key: PrivateKey
}

/**
 * Obtains the next certificate and writes down where it came from; the certificate itself is the caller's to write.
 *
 * @param note - a remark for the operator
 * @returns leaf first
 * @throws ProgramError `not-found` without the account's key, `acme-refused`, `acme-invalid`, `port-unusable`, `exec-failed`
 */
export async function renewByAcme(
  { record, base, before, key }: AcmeRenewal,
  data: DataFolder,
  note: (text: string) => void,
): Promise<[leaf: Certificate, ...above: Certificate[]]> {
  const { directory, names, profile } = record
  await using solver = await openSolver(record)
  await using session = await openAcmeSession(trustOf(record), data, directory)
  const connection = await openExistingAccount(session.fetch, directory)
  const id = ariId(before)
  const chain = await obtainReplacing(connection, { names, key, profile }, id, solver)
  const [leaf] = chain
  noteRoots(path.join(path.dirname(base), 'roots.pem'), chain, note)
  await writeRecord(base, {
    ...record,
    account: connection.account,
    certificate: ariId(leaf),
    before: id,
    renewAfter: renewalTime(leaf).toISOString(),
  })
  return chain
}

/**
 * When the server suggests to renew the certificate in a file.
 *
 * @param base - the path of the certificate without its ending
 * @param timeoutMs - for each of the two requests @defaultValue that of the client
 * @returns `undefined` where it did not come by ACME, or the server suggests nothing
 * @throws ProgramError `file-unreadable`, `acme-invalid`; what the client throws
 */
export async function windowOf(
  base: string,
  certificate: Certificate,
  data: DataFolder,
  timeoutMs?: number,
): Promise<RenewalWindow | undefined> {
  const record = recordOf(base, certificate)
  if (record === undefined) return undefined
  const flags = { ...trustOf(record), ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }) }
  await using session = await openAcmeSession(flags, data, record.directory)
  return await suggestedWindow(session.fetch, record.directory, certificate)
}

function trustOf({ ca, extraCa }: AcmeRecord): { ca?: string[]; extraCa?: string[] } {
  return {
    ...(ca === undefined ? {} : { ca: [...ca] }),
    ...(extraCa === undefined ? {} : { extraCa: [...extraCa] }),
  }
}

/** ACME hands out no roots: that the server has come to others can only be said. */
function noteRoots(
  file: string,
  [leaf, ...intermediates]: readonly [Certificate, ...Certificate[]],
  note: (text: string) => void,
): void {
  if (!existsSync(file)) return
  const roots = Certificate.parseAll(readFileSync(file, 'utf8'), file)
  if (verifyChain({ leaf, intermediates, roots }).ok) return
  note(`the new chain does not end in a root of ${file}: whoever trusts that file alone refuses it`)
}
