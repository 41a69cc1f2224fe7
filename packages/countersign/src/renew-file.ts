/**
 * A certificate renewed in its file.
 *
 * @module
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { writeFileAtomic } from '@countersign/core'
import type { Certificate, PrivateKey } from '@countersign/x509'
import { accountName } from './account-name.ts'
import type { DataFolder } from './data-folder.ts'
import { ProgramError } from './errors.ts'
import { careForIssuer } from './issuer-care.ts'
import { readLeaf } from './leaf-file.ts'
import { withAuthority } from './open-data.ts'

/** How it is renewed. */
export interface RenewFileOptions {
  /** For a new key of the same type. */
  rekey?: boolean | undefined
  /** The file of the key with `rekey`. @defaultValue the certificate's with the ending .key */
  key?: string | undefined
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
 * A `roots.pem` beside it follows the roots of the authority.
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
  if (options.key !== undefined && options.rekey !== true) {
    throw new ProgramError('usage', '--key says where the new key goes, and needs --rekey')
  }
  const { certificate: before, holdsKey } = await readLeaf(given)
  // What a link points to is replaced, not the link.
  const file = realpathSync(given)
  if (holdsKey) {
    throw new ProgramError('usage', `${given} holds a private key as well, which would be lost`, {
      hint: 'keep certificate and key in files of their own, and renew the certificate’s',
    })
  }
  const keyFile = options.rekey === true ? await existingKey(file, options.key, before) : undefined
  const key = keyFile === undefined ? undefined : await newKey(before)
  const requester = accountName()
  const issued = await withAuthority(data, async (authority) => {
    await careForIssuer(authority, data, note)
    const renewed = await authority.renew(before.fingerprint, {
      publicKey: key?.publicKey,
      requester,
    })
    const { updateRoots } = await import('@countersign/authority')
    await updateRoots(path.join(path.dirname(file), 'roots.pem'), authority)
    return renewed
  })
  if (keyFile !== undefined && key !== undefined) await writeFileAtomic(keyFile, key.toPem())
  const chain = issued.chain.map((one) => one.pem).join('')
  await writeFileAtomic(file, chain, { mode: statSync(file).mode & 0o777 })
  return { certificate: issued.certificate, file, keyFile }
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
  const { dir, name } = path.parse(file)
  const wanted = given ?? path.join(dir, `${name}.key`)
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
