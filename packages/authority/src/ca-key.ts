/**
 * The private key of a certificate authority, opened when it is first needed: deriving a key from a passphrase takes
 * longer than a service may take to start, and most of what an authority does needs no key.
 *
 * @module
 */
import {
  type Certificate,
  PrivateKey,
  type Signer,
  type SyncSigner,
  X509Error,
} from '@countersign/x509'
import path from 'node:path'
import { AuthorityError } from './errors.ts'
import {
  hasKey,
  isSealed,
  PASSPHRASE_FILE,
  passphraseFileOf,
  readOptional,
  readPassphrase,
} from './folder.ts'
import type { RemoteSigner } from './remote-signer.ts'

/** Where the key of a certificate authority is. */
export interface CaKeyPlace {
  readonly folder: string
  /** The file's name in the folder. */
  readonly file: string
  /** The one that was given; else the folder's own is read. */
  readonly passphrase: string | undefined
  /** Who signs where the key is not in the folder. @defaultValue nobody */
  readonly remote?: RemoteSigner | undefined
  /** What the key must fit. */
  readonly certificate: Certificate
}

/** A key in a file. */
export class CaKey {
  readonly #place: CaKeyPlace
  #signer: Promise<SyncSigner> | undefined

  constructor(place: CaKeyPlace) {
    this.#place = place
  }

  /** Whether the file is there, and the passphrase beside it that a root's needs; either may be kept elsewhere. */
  get isPresent(): boolean {
    return this.#isHere || this.#place.remote !== undefined
  }

  /** Whether it is with a signer elsewhere. */
  get isRemote(): boolean {
    return !this.#isHere && this.#place.remote !== undefined
  }

  get #isHere(): boolean {
    return this.#signer !== undefined || hasKey(this.#place.folder, this.#place.file)
  }

  /**
   * The signer, which may be one whose key lives elsewhere.
   *
   * @throws {@link AuthorityError} as {@link signer}
   */
  async anySigner(): Promise<Signer> {
    const { remote, certificate } = this.#place
    return remote === undefined || this.#isHere
      ? await this.signer()
      : remote(certificate.publicKey)
  }

  /**
   * Takes a key that was brought from elsewhere, for as long as this process runs.
   *
   * @throws {@link AuthorityError} `key-mismatch` where it is another key
   */
  lend(key: PrivateKey): SyncSigner {
    const { certificate } = this.#place
    if (!key.publicKey.equals(certificate.publicKey)) {
      throw new AuthorityError(
        'key-mismatch',
        `the key that was given is not that of ${certificate.subject.toString()}`,
        { hint: 'give the file of the key of the root that is active now' },
      )
    }
    const signer = key.signer()
    this.#signer = Promise.resolve(signer)
    return signer
  }

  /**
   * The signer; the key is read and decrypted once.
   *
   * @throws {@link AuthorityError} `key-missing`, `key-malformed`, `key-mismatch`, `passphrase-missing`, `passphrase-wrong`
   */
  async signer(): Promise<SyncSigner> {
    if (this.#signer !== undefined) return await this.#signer
    const opening = this.#open()
    this.#signer = opening
    try {
      return await opening
    } catch (error) {
      // The next call finds the file mended.
      this.#signer = undefined
      throw error
    }
  }

  get #file(): string {
    return path.join(this.#place.folder, this.#place.file)
  }

  async #open(): Promise<SyncSigner> {
    const { folder, certificate } = this.#place
    const text = await readOptional(this.#file)
    if (text === undefined) {
      throw new AuthorityError('key-missing', `${this.#file} is not there`, {
        hint: 'put the key file back; a root key that is kept offline is needed only to renew the issuer',
      })
    }
    const passphrase = isSealed(text)
      ? await this.#ownPassphrase()
      : (this.#place.passphrase ?? (await readPassphrase(folder)))
    const key = this.#parse(text, passphrase)
    if (!key.publicKey.equals(certificate.publicKey)) {
      throw new AuthorityError(
        'key-mismatch',
        `${this.#file} is not the key of ${certificate.subject.toString()}`,
        {
          hint: 'the folder and the database belong to different authorities: give both as they were used before',
        },
      )
    }
    return key.signer()
  }

  async #ownPassphrase(): Promise<string> {
    const { folder, file } = this.#place
    const passphrase = await readPassphrase(folder, passphraseFileOf(file))
    if (passphrase !== undefined) return passphrase
    throw new AuthorityError(
      'passphrase-missing',
      `${this.#file} has a passphrase of its own, which is kept elsewhere`,
      { hint: `name both: --root-key ${this.#file} --passphrase-file FILE` },
    )
  }

  #parse(text: string, passphrase: string | undefined): PrivateKey {
    try {
      return PrivateKey.parse(text, { passphrase, source: this.#file })
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
      const { code } = error
      if (code === 'passphrase-missing') {
        throw new AuthorityError(code, `${this.#file} is encrypted, and there is no passphrase`, {
          hint: `give the passphrase, or put it into ${path.join(this.#place.folder, PASSPHRASE_FILE)}`,
        })
      }
      if (code === 'passphrase-wrong') {
        throw new AuthorityError(code, `the passphrase does not open ${this.#file}`, {
          hint: 'give the passphrase that this authority was made with',
        })
      }
      throw new AuthorityError('key-malformed', error.message, { cause: error, hint: error.hint })
    }
  }
}
