/**
 * The keys that a signer holds: `*.key` in its folder, each with its issuer's certificate in `issuers.pem`.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Certificate, PrivateKey, type SyncSigner } from '@countersign/x509'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import { readGivenFile } from '../given-file.ts'
import { givenPassphrase, readSecretFile } from '../open-data.ts'
import { nameOf } from './remote-signer.ts'

/** A key, and whose it is. */
export interface SigningKey {
  readonly issuer: Certificate
  readonly signer: SyncSigner
}

/**
 * Opens them.
 *
 * @param issuersFile - certificates of issuers; a key that is none of theirs is not opened
 * @returns by the name that the authority gives them
 * @throws {@link ProgramError} `file-unreadable`; X509Error as a key
 */
export function openSigningKeys(data: DataFolder, issuersFile: string): Map<string, SigningKey> {
  const issuers = Certificate.parseAll(readGivenFile(issuersFile), issuersFile).filter(
    ({ isCa }) => isCa,
  )
  const passphrase =
    givenPassphrase() ?? readSecretFile(path.join(data.path, 'passphrase'), 'passphrase')
  const keys = new Map<string, SigningKey>()
  for (const name of readdirSync(data.path).filter((one) => /^issuer.*\.key$/.test(one))) {
    const source = path.join(data.path, name)
    const key = PrivateKey.parse(readFileSync(source), { passphrase, source })
    const issuer = issuers.find((one) => one.publicKey.equals(key.publicKey))
    if (issuer !== undefined) keys.set(nameOf(key.publicKey), { issuer, signer: key.signer() })
  }
  if (keys.size > 0) return keys
  throw new ProgramError(
    'file-unreadable',
    `${data.path} holds no issuer*.key of a certificate in ${issuersFile}`,
    {
      hint: `move issuer.key and its passphrase here, and the issuer's certificate into ${issuersFile}`,
    },
  )
}
