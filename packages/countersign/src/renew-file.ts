/**
 * A certificate renewed in its file.
 *
 * @module
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Authority } from '@countersign/authority'
import { writeFileAtomic } from '@countersign/core'
import type { Certificate, PrivateKey } from '@countersign/x509'
import { accountName } from './account-name.ts'
import type { AcmeRecord } from './acme-client/renewal.ts'
import { baseOf, renewalFile } from './acme-client/renewal-file.ts'
import type { RenewalWindow } from './acme-client/renewal-window.ts'
import type { DataFolder } from './data-folder.ts'
import { ProgramError } from './errors.ts'
import type { FromFlags, RenewalFrom } from './from-authority.ts'
import { careForIssuer } from './issuer-care.ts'
import { readLeaf } from './leaf-file.ts'
import { withAuthority, withAuthorityAndUsers } from './open-data.ts'

/** How it is renewed. */
export interface RenewFileOptions {
  /** For a new key of the same type. */
  rekey?: boolean | undefined
  /** The file of the key with `rekey` or `from`, or of a certificate that came by ACME. @defaultValue the certificate's with the ending .key */
  key?: string | undefined
  /** The address of an authority on another machine, instead of the data folder. */
  from?: string | undefined
  /** Whom to trust there. */
  ca?: string[] | undefined
  extraCa?: string[] | undefined
}

/** What was written. */
export interface RenewedFile {
  readonly certificate: Certificate
  readonly file: string
  /** Where a new key was written. */
  readonly keyFile: string | undefined
}

/**
 * Renews. Everything that can be refused is, before anything is signed; then the key is written, then the certificate.
 * A `roots.pem` beside it follows the roots of the authority. What came by ACME is renewed by the server that it came from.
 *
 * @param note - a remark for the operator
 * @throws ProgramError `usage`, `file-unreadable`; AuthorityError `certificate-unknown`, `certificate-revoked` and what the policy
 *   refuses; X509Error, StoreError, CoreError
 */
export async function renewFile(
  given: string,
  options: RenewFileOptions,
  data: DataFolder,
  note: (text: string) => void,
): Promise<RenewedFile> {
  const { from } = options
  if (from === undefined && (options.ca ?? options.extraCa) !== undefined) {
    throw new ProgramError('usage', '--ca and --extra-ca need --from')
  }
  const { certificate: before, holdsKey } = await readLeaf(given)
  // What a link points to is replaced, not the link.
  const file = realpathSync(given)
  if (holdsKey) {
    throw new ProgramError('usage', `${given} holds a private key as well, which would be lost`, {
      hint: 'keep certificate and key in files of their own, and renew the certificate’s',
    })
  }
  const acme = from === undefined ? await acmeRecord(file, before) : undefined
  const needsKey = options.rekey === true || from !== undefined || acme !== undefined
  if (options.key !== undefined && !needsKey) {
    throw new ProgramError('usage', '--key says where the new key goes, and needs --rekey')
  }
  const present = needsKey ? await existingKey(file, options.key, before) : undefined
  const keyFile = options.rekey === true ? present : undefined
  const key = keyFile === undefined ? undefined : await newKey(before)
  const certificate = { certificate: before, certificateFile: file, next: key }
  const issued =
    present !== undefined && acme !== undefined
      ? await renewFromAcme(file, data, { acme, before, keyFile: present, next: key, note })
      : present !== undefined && from !== undefined
        ? await renewThere(file, data, { ...options, from }, { ...certificate, keyFile: present })
        : await renewHere(file, data, { before, key, note })
  if (keyFile !== undefined && key !== undefined) await writeFileAtomic(keyFile, key.toPem())
  const chain = issued.map((one) => one.pem).join('')
  await writeFileAtomic(file, chain, { mode: statSync(file).mode & 0o777 })
  return { certificate: issued[0], file, keyFile }
}

type Chain = readonly [leaf: Certificate, ...above: Certificate[]]

/** By the authority of the data folder. */
async function renewHere(
  file: string,
  data: DataFolder,
  {
    before,
    key,
    note,
  }: { before: Certificate; key: PrivateKey | undefined; note: (text: string) => void },
): Promise<Chain> {
  const requester = accountName()
  // Only a client's certificate can be somebody's.
  const isClients = before.extensions.extendedKeyUsage?.includes('clientAuth') === true
  const open = isClients ? withAuthorityAndUsers : withAuthority
  const issued = await open(data, async (authority: Authority) => {
    await careForIssuer(authority, data, note)
    const renewed = await authority.renew(before.fingerprint, {
      publicKey: key?.publicKey,
      requester,
    })
    const { updateRoots } = await import('@countersign/authority')
    await updateRoots(rootsBeside(file), authority)
    return renewed
  })
  return issued.chain
}

/** By an authority on another machine. */
async function renewThere(
  file: string,
  data: DataFolder,
  flags: FromFlags,
  what: Omit<RenewalFrom, 'key'>,
): Promise<Chain> {
  const { readKeyOf, renewFrom } = await import('./from-authority.ts')
  const key = readKeyOf(what.keyFile, what.certificate)
  const { chain, roots } = await renewFrom(flags, data, { ...what, key })
  const { updateRoots } = await import('@countersign/authority')
  await updateRoots(rootsBeside(file), { roots, formerRoots: [] })
  return chain
}

/** By the ACME server that it came from. */
async function renewFromAcme(
  file: string,
  data: DataFolder,
  what: {
    acme: AcmeRecord
    before: Certificate
    keyFile: string
    next: PrivateKey | undefined
    note: (text: string) => void
  },
): Promise<Chain> {
  const { acme: record, before, keyFile, next, note } = what
  const { readKeyOf } = await import('./from-authority.ts')
  const { renewByAcme } = await import('./acme-client/renew.ts')
  const key = next ?? readKeyOf(keyFile, before)
  return await renewByAcme({ record, base: baseOf(file), before, key }, data, note)
}

/** Where a certificate came by ACME, how; `undefined` for every other. */
async function acmeRecord(file: string, certificate: Certificate): Promise<AcmeRecord | undefined> {
  const base = baseOf(file)
  if (!existsSync(renewalFile(base))) return undefined
  const { recordOf } = await import('./acme-client/renewal.ts')
  return recordOf(base, certificate)
}

/**
 * When the server suggests to renew a certificate that came by ACME.
 *
 * @returns `undefined` where it did not, or the server suggests nothing
 * @throws ProgramError `file-unreadable`, `acme-invalid`; what the client throws
 */
export async function suggestedWindow(
  given: string,
  certificate: Certificate,
  data: DataFolder,
): Promise<RenewalWindow | undefined> {
  const base = baseOf(realpathSync(given))
  if (!existsSync(renewalFile(base))) return undefined
  const { windowOf } = await import('./acme-client/renew.ts')
  return await windowOf(base, certificate, data)
}

function rootsBeside(file: string): string {
  return path.join(path.dirname(file), 'roots.pem')
}

/**
 * The file of the key that is replaced: it has to be this certificate's, and not encrypted, since the new one is not.
 *
 * @throws ProgramError `file-unreadable`, `usage`; X509Error where it cannot be read
 */
async function existingKey(
  file: string,
  given: string | undefined,
  certificate: Certificate,
): Promise<string> {
  const wanted = given ?? `${baseOf(file)}.key`
  if (!existsSync(wanted)) {
    throw new ProgramError('file-unreadable', `the key file ${wanted} is not there`, {
      hint: 'name it with --key; a new one for a signing request is its owner’s to make',
    })
  }
  const { PrivateKey: Reader } = await import('@countersign/x509')
  const present = Reader.parse(readFileSync(wanted, 'utf8'), { source: wanted })
  if (present.publicKey.equals(certificate.publicKey)) return realpathSync(wanted)
  throw new ProgramError('usage', `${wanted} holds the key of another certificate`, {
    hint: 'name the key file of this one with --key; nothing was changed',
  })
}

async function newKey(before: Certificate): Promise<PrivateKey> {
  const { PrivateKey: Maker } = await import('@countersign/x509')
  return await Maker.generate(before.publicKey.type ?? 'p256')
}
