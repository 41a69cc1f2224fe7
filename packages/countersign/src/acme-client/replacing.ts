/**
 * An order that says which certificate it replaces, to a server that wants to know (RFC 9773 §5).
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import { ProgramError } from '../errors.ts'
import type { AcmeConnection } from './connection.ts'
import { obtain, type WantedCertificate } from './obtain.ts'
import type { Solver } from './solvers.ts'

/**
 * Obtains a certificate in the place of another. Somebody may have replaced that already, or the server does not know it any more:
 * then it is an order as every other.
 *
 * @param before - the ARI identifier of the other
 * @returns leaf first
 * @throws as `obtain`; ProgramError `acme-invalid` where it is for another key
 */
export async function obtainReplacing(
  connection: AcmeConnection,
  wanted: Omit<WantedCertificate, 'replaces'>,
  before: string | undefined,
  solver: Solver,
): Promise<[leaf: Certificate, ...above: Certificate[]]> {
  const replaces = connection.directory.has('renewalInfo') ? before : undefined
  const [leaf, ...above] = await obtainOnce(connection, { ...wanted, replaces }, solver)
  if (leaf === undefined || !leaf.publicKey.equals(wanted.key.publicKey)) {
    throw new ProgramError('acme-invalid', 'the server signed another key than it was asked to')
  }
  return [leaf, ...above]
}

async function obtainOnce(
  connection: AcmeConnection,
  wanted: WantedCertificate,
  solver: Solver,
): Promise<Certificate[]> {
  try {
    return await obtain(connection, wanted, solver)
  } catch (error) {
    const isAboutIt =
      wanted.replaces !== undefined &&
      error instanceof ProgramError &&
      error.code === 'acme-refused' &&
      error.message.startsWith(`${connection.resource('newOrder')}: `)
    if (!isAboutIt) throw error
    return await obtain(connection, { ...wanted, replaces: undefined }, solver)
  }
}
