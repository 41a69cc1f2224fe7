/**
 * The key of another authority, in any of the forms that its program writes.
 *
 * @module
 */
import { createPrivateKey } from 'node:crypto'
import { PrivateKey, X509Error } from '@countersign/x509'
import { ProgramError } from '../errors.ts'
import { readGivenFile } from '../given-file.ts'
import { readSecretFile } from '../open-data.ts'
import { askSecret } from '../secrets.ts'

/**
 * Reads it; asks for its passphrase at a terminal, and nowhere else.
 *
 * @param passphraseFile - where the passphrase is
 * @param option - the option that names that file, for the hint
 * @throws {@link ProgramError} `file-unreadable`; X509Error as the key
 */
export async function readTakenKey(
  file: string,
  passphraseFile: string | undefined,
  option: string,
): Promise<PrivateKey> {
  const text = readGivenFile(file)
  const given =
    passphraseFile === undefined ? undefined : readSecretFile(passphraseFile, 'passphrase')
  try {
    return parse(text, given, file)
  } catch (error) {
    const isPassphrase =
      error instanceof X509Error &&
      (error.code === 'passphrase-missing' || error.code === 'passphrase-wrong')
    if (!isPassphrase) throw error
    if (given === undefined && process.stdin.isTTY) {
      return parse(text, await askSecret(`Passphrase of ${file}`), file)
    }
    throw new ProgramError('file-unreadable', error.message, {
      cause: error,
      hint: `put its passphrase into a file that only you can read, and name that: ${option} FILE`,
    })
  }
}

function parse(bytes: Buffer, passphrase: string | undefined, source: string): PrivateKey {
  const text = bytes.toString('latin1')
  // OpenSSL's own form of before PKCS #8, which step-ca writes still.
  if (/^Proc-Type: 4,ENCRYPTED/m.test(text)) return parseOld(text, passphrase, source)
  try {
    return PrivateKey.parse(bytes[0] === 0x30 ? bytes : text, { passphrase, source })
  } catch (error) {
    // easy-rsa encrypts with triple DES. A count of rounds that is too large is not passed on.
    if (!(error instanceof X509Error) || !error.message.endsWith('DES-EDE3-CBC')) throw error
    return parseOld(text, passphrase, source)
  }
}

/** Ciphers that our own reader has not, by OpenSSL. */
function parseOld(text: string, passphrase: string | undefined, source: string): PrivateKey {
  if (passphrase === undefined) {
    const message = `${source} is encrypted and no passphrase was given`
    throw new X509Error('passphrase-missing', message, { source })
  }
  let der: Buffer
  try {
    der = createPrivateKey({ key: text, passphrase }).export({ type: 'pkcs8', format: 'der' })
  } catch (error) {
    const message = `${source}: the passphrase is wrong`
    throw new X509Error('passphrase-wrong', message, { source, cause: error })
  }
  return PrivateKey.parse(der, { source })
}
