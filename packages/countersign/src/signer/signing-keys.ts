/**
 * The keys that a signer holds: `issuer*.key` in its folder, each with its issuer's certificate in `issuers.pem`. A key without one is the
 * next of whoever asked for it, and signs nothing until a root has certified it.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import path from 'node:path'
import { AuthorityError } from '@countersign/authority'
import { writeFileAtomic } from '@countersign/core'
import {
  Certificate,
  type KeyType,
  PrivateKey,
  type PublicKey,
  type SyncSigner,
  verifyChain,
} from '@countersign/x509'
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

/** See the module. */
export class SigningKeys {
  readonly #folder: string
  readonly #issuersFile: string
  readonly #passphrase: string
  readonly #held = new Map<string, SigningKey>()
  /** One change of files after the other. */
  #changing: Promise<unknown> = Promise.resolve()

  private constructor(folder: string, issuersFile: string, passphrase: string) {
    this.#folder = folder
    this.#issuersFile = issuersFile
    this.#passphrase = passphrase
  }

  /**
   * Opens them.
   *
   * @param issuersFile - certificates of issuers; a key that is none of theirs signs nothing
   * @throws {@link ProgramError} `file-unreadable`; X509Error as a key
   */
  static open(data: DataFolder, issuersFile: string): SigningKeys {
    const passphrase =
      givenPassphrase() ?? readSecretFile(path.join(data.path, 'passphrase'), 'passphrase')
    const keys = new SigningKeys(data.path, issuersFile, passphrase)
    const issuers = keys.#certificates()
    for (const name of readdirSync(data.path).filter((one) => /^issuer.*\.key$/.test(one))) {
      const key = keys.#read(name)
      const issuer = issuers.find((one) => one.publicKey.equals(key.publicKey))
      if (issuer !== undefined) {
        keys.#held.set(nameOf(key.publicKey), { issuer, signer: key.signer() })
      }
    }
    if (keys.#held.size > 0) return keys
    throw new ProgramError(
      'file-unreadable',
      `${data.path} holds no issuer*.key of a certificate in ${issuersFile}`,
      {
        hint: `move issuer.key and its passphrase here, and the issuer's certificate into ${issuersFile}`,
      },
    )
  }

  /** The issuers that are signed for. */
  get issuers(): Certificate[] {
    return [...this.#held.values()].map(({ issuer }) => issuer)
  }

  /** A key by the name that the authority gives it. */
  find(name: string): SigningKey | undefined {
    return this.#held.get(name)
  }

  /**
   * The next key of whoever asks, made where there is none that waits for its certificate: asked for twice, it is the same one.
   *
   * @param who - SHA-256 of the key of the client's certificate, lower-case hex
   * @throws CoreError `file-write-failed`
   */
  async next(who: string, type: KeyType): Promise<PublicKey> {
    return await this.#alone(async () => {
      const file = `issuer-next-${who.slice(0, 16)}-${type}.key`
      if (existsSync(path.join(this.#folder, file))) {
        const { publicKey } = this.#read(file)
        if (!this.#held.has(nameOf(publicKey))) return publicKey
        // Killed between the two files of an adoption.
        await this.#settle(file, publicKey)
      }
      const key = await PrivateKey.generate(type)
      const text = key.toPem({ passphrase: this.#passphrase })
      await writeFileAtomic(path.join(this.#folder, file), text)
      return key.publicKey
    })
  }

  /**
   * Signs for an issuer from now on, or by its newer certificate: one that leads to the roots, of a key that is here.
   *
   * @param chain - the issuer's certificate, then what may stand above it
   * @param who - may only take the next key that it asked for itself
   * @throws {@link AuthorityError} `signer-refused`; CoreError `file-write-failed`
   */
  async adopt(
    chain: readonly Certificate[],
    roots: readonly Certificate[],
    who: string,
    now: Date,
  ): Promise<Certificate> {
    return await this.#alone(async () => {
      const [issuer, ...intermediates] = chain
      if (issuer === undefined) throw refused('no certificate was sent')
      const name = nameOf(issuer.publicKey)
      const held = this.#held.get(name)
      if (held?.issuer.equals(issuer) === true) return issuer
      const pending = held === undefined ? this.#pendingOf(who, issuer.publicKey) : undefined
      const signer = held?.signer ?? pending?.key.signer()
      if (signer === undefined) throw refused('the key of this certificate is not here')
      checkIssuer(issuer, intermediates, roots, now)
      if (held !== undefined && !issuer.subject.equals(held.issuer.subject)) {
        throw refused(`its key is that of ${held.issuer.subject.toString()}`)
      }
      if (held !== undefined && issuer.notBefore < held.issuer.notBefore) {
        throw refused('it is older than the one that is here')
      }
      const others = this.#certificates().filter((one) => !one.publicKey.equals(issuer.publicKey))
      const text = [...others, issuer].map(({ pem }) => pem).join('')
      await writeFileAtomic(this.#issuersFile, text, { mode: 0o644 })
      if (pending !== undefined) await this.#settle(pending.file, issuer.publicKey)
      this.#held.set(name, { issuer, signer })
      return issuer
    })
  }

  /** Takes the name of a key that waited for its certificate. */
  async #settle(file: string, publicKey: PublicKey): Promise<void> {
    const settled = `issuer-${nameOf(publicKey).slice(0, 16)}.key`
    await rename(path.join(this.#folder, file), path.join(this.#folder, settled))
  }

  #pendingOf(who: string, publicKey: PublicKey): { file: string; key: PrivateKey } | undefined {
    const prefix = `issuer-next-${who.slice(0, 16)}-`
    return readdirSync(this.#folder)
      .filter((name) => name.startsWith(prefix) && name.endsWith('.key'))
      .map((file) => ({ file, key: this.#read(file) }))
      .find(({ key }) => key.publicKey.equals(publicKey))
  }

  #certificates(): Certificate[] {
    const pem = readGivenFile(this.#issuersFile)
    return Certificate.parseAll(pem, this.#issuersFile).filter(({ isCa }) => isCa)
  }

  #read(name: string): PrivateKey {
    const source = path.join(this.#folder, name)
    return PrivateKey.parse(readFileSync(source), { passphrase: this.#passphrase, source })
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(work, work)
    this.#changing = done.catch(() => undefined)
    return await done
  }
}

function checkIssuer(
  issuer: Certificate,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
  now: Date,
): void {
  const { basicConstraints, keyUsage = [] } = issuer.extensions
  if (!issuer.isCa || basicConstraints?.pathLength !== 0 || issuer.isSelfIssued) {
    throw refused('it is not the certificate of an issuer')
  }
  if (!keyUsage.includes('keyCertSign') || !keyUsage.includes('cRLSign')) {
    throw refused('it may not sign certificates and lists')
  }
  // By the strict rules whatever stands at the end of a chain has alternative names.
  const verdict = verifyChain({
    leaf: issuer,
    intermediates,
    roots,
    purpose: 'any',
    profile: 'openssl',
    time: now,
  })
  if (!verdict.ok) throw refused(`it leads to no root that is known here: ${verdict.message}`)
}

function refused(why: string): AuthorityError {
  return new AuthorityError('signer-refused', `the signer does not take this: ${why}`, {
    hint: 'see what it trusts: countersign signer serve --clients, --issuers',
  })
}
