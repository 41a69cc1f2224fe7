/**
 * Private keys: PKCS #8 plain and encrypted (RFC 5958, RFC 8018), SEC 1 (RFC 5915) and PKCS #1 (RFC 8017).
 *
 * @module
 */
import {
  type KeyObject,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
} from 'node:crypto'
import { promisify } from 'node:util'
import { checkOptions, closest } from '@countersign/core'
import { DerReader, plainView } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { X509Error } from './errors.ts'
import { describeBlocks, readInput } from './input.ts'
import { decryptPkcs8, encryptPkcs8 } from './pbes.ts'
import { encodePem, type PemBlock } from './pem.ts'
import { KEY_TYPES, type KeyType, PublicKey } from './public-key.ts'
import { createSigner, type SyncSigner } from './signature.ts'

/** How {@link PrivateKey.parse} reads. */
export interface PrivateKeyParseOptions {
  /** Opens an encrypted key; not looked at where the key is plain. */
  passphrase?: string | undefined
  /** Where the key came from, for messages. @defaultValue 'private key' */
  source?: string | undefined
}

/** How {@link PrivateKey.toPem} writes. */
export interface PrivateKeyPemOptions {
  /** Encrypts the key with PBES2: AES-256-CBC, PBKDF2 with HMAC-SHA-256. @defaultValue none: the key is written plain */
  passphrase?: string | undefined
  /** Rounds of PBKDF2. @defaultValue as `encryptPkcs8` has it */
  iterations?: number | undefined
}

/** A private key in this process, with its public key. Its bytes never appear in a message. */
export class PrivateKey {
  readonly publicKey: PublicKey
  readonly #keyObject: KeyObject
  #signer: SyncSigner | undefined

  private constructor(keyObject: KeyObject, publicKey: PublicKey) {
    this.#keyObject = keyObject
    this.publicKey = publicKey
  }

  /**
   * Reads a private key: PEM (other blocks beside it are ignored) or DER.
   *
   * @throws {@link X509Error} `key-missing` where there is something else, `key-several`, `key-malformed`, `key-unsupported`,
   * `passphrase-missing`, `passphrase-wrong`
   */
  static parse(pemOrDer: string | Uint8Array, options: PrivateKeyParseOptions = {}): PrivateKey {
    checkOptions(options, ['passphrase', 'source'], 'PrivateKey.parse')
    const source = options.source ?? 'private key'
    const input = readInput(pemOrDer, source, 'key-malformed')
    const found =
      input instanceof Uint8Array
        ? { der: input, form: formOf(input, source) }
        : pickBlock(input, source)
    if (found.form !== 'encrypted') return PrivateKey.#load(found.der, found.form, source)
    const { passphrase } = options
    if (passphrase === undefined || passphrase === '') {
      throw new X509Error(
        'passphrase-missing',
        `${source} is encrypted and no passphrase was given`,
        { source },
      )
    }
    return PrivateKey.#decrypt(found.der, passphrase, source)
  }

  /**
   * Makes a key without holding up the process.
   *
   * @throws {@link X509Error} `key-unsupported` for a type that is none of {@link KEY_TYPES}
   */
  static async generate(type: KeyType): Promise<PrivateKey> {
    return PrivateKey.#fromPair(await generator(type).later())
  }

  /**
   * Makes a key at once; RSA takes 30 ms and more: use {@link generate} where others wait.
   *
   * @throws {@link X509Error} `key-unsupported` for a type that is none of {@link KEY_TYPES}
   */
  static generateSync(type: KeyType): PrivateKey {
    return PrivateKey.#fromPair(generator(type).now())
  }

  /** The key for Node's crypto and TLS. */
  get keyObject(): KeyObject {
    return this.#keyObject
  }

  /** One of ours, or `undefined` for another algorithm, curve or size. */
  get type(): KeyType | undefined {
    return this.publicKey.type
  }

  /**
   * PEM of the PKCS #8 form: `PRIVATE KEY`, or `ENCRYPTED PRIVATE KEY` with a passphrase.
   *
   * @throws {@link X509Error} `passphrase-missing` where the passphrase is empty
   */
  toPem(options: PrivateKeyPemOptions = {}): string {
    checkOptions(options, ['passphrase', 'iterations'], 'PrivateKey.toPem')
    const der = plainView(this.#keyObject.export({ format: 'der', type: 'pkcs8' }))
    const { passphrase, iterations } = options
    if (passphrase === undefined) return encodePem('PRIVATE KEY', der)
    if (passphrase === '')
      throw new X509Error('passphrase-missing', 'an empty passphrase protects nothing')
    return encodePem('ENCRYPTED PRIVATE KEY', encryptPkcs8(der, passphrase, { iterations }))
  }

  /**
   * Signs with this key; see {@link createSigner} for the algorithms.
   *
   * @throws {@link X509Error} `key-unsupported` for a key that is none of ours and has no usual algorithm
   */
  signer(): SyncSigner {
    this.#signer ??= createSigner(this.#keyObject, this.publicKey)
    return this.#signer
  }

  static #fromPair(pair: KeyPair): PrivateKey {
    return new PrivateKey(pair.privateKey, publicPart(pair.publicKey))
  }

  static #load(der: Uint8Array, form: PlainForm, source: string): PrivateKey {
    const type = form === 'plain' ? 'pkcs8' : form
    let keyObject: KeyObject
    try {
      keyObject = createPrivateKey({ key: Buffer.from(der), format: 'der', type })
    } catch (error) {
      // OpenSSL says "unsupported" for damage and for algorithms it does not know alike. Its text may quote nothing of the key.
      throw new X509Error('key-malformed', `${source}: a private key that cannot be used`, {
        source,
        cause: error,
      })
    }
    if (!SIGNING_TYPES.has(keyObject.asymmetricKeyType ?? '')) {
      throw new X509Error(
        'key-unsupported',
        `${source}: a ${keyObject.asymmetricKeyType ?? 'nameless'} key cannot sign`,
        { source, hint: 'use a P-256 key' },
      )
    }
    return new PrivateKey(keyObject, publicPart(createPublicKey(keyObject)))
  }

  static #decrypt(der: Uint8Array, passphrase: string, source: string): PrivateKey {
    let plain: Uint8Array
    try {
      plain = decryptPkcs8(der, passphrase)
      // A wrong passphrase passes the padding check once in some 256 times and yields noise.
      if (!isPkcs8(plain))
        throw new X509Error('passphrase-wrong', 'the passphrase does not open the key')
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
      const code = error.code.startsWith('der-') ? 'key-malformed' : error.code
      throw new X509Error(code, `${source}: ${error.message}`, {
        source,
        cause: error,
        hint: error.hint,
      })
    }
    return PrivateKey.#load(plain, 'plain', source)
  }
}

type PlainForm = 'plain' | 'sec1' | 'pkcs1'
type Form = PlainForm | 'encrypted'

interface KeyPair {
  publicKey: KeyObject
  privateKey: KeyObject
}

interface Generator {
  now: () => KeyPair
  later: () => Promise<KeyPair>
}

function pickBlock(blocks: readonly PemBlock[], source: string): { der: Uint8Array; form: Form } {
  const keys = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'))
  const [block] = keys
  if (block === undefined) {
    throw new X509Error(
      'key-missing',
      `${source} holds no private key (${describeBlocks(blocks)})`,
      {
        source,
        hint: 'the key is in another file, often the one that ends in .key',
      },
    )
  }
  if (keys.length > 1) {
    throw new X509Error('key-several', `${source} holds ${keys.length} private keys`, {
      source,
      hint: 'keep one key a file',
    })
  }
  const form = FORMS.get(block.label)
  if (form === undefined) {
    throw new X509Error('key-unsupported', `${source} holds a ${block.label}`, {
      source,
      hint: 'convert it to PKCS #8: openssl pkcs8 -topk8 (or ssh-keygen -p -m pkcs8 -f FILE)',
    })
  }
  return { der: block.der, form }
}

/** Which form a DER key has, by its first two elements. */
function formOf(der: Uint8Array, source: string): Form {
  const [first, second] = firstTags(der)
  if (first === TAG.integer && second === TAG.sequence) return 'plain'
  if (first === TAG.integer && second === TAG.octetString) return 'sec1'
  if (first === TAG.integer && second === TAG.integer) return 'pkcs1'
  if (first === TAG.sequence && second === TAG.octetString) return 'encrypted'
  if (first === TAG.sequence && second === TAG.bitString) {
    throw new X509Error('key-missing', `${source} holds a public key, not a private key`, {
      source,
    })
  }
  if (first === TAG.sequence && second === TAG.sequence) {
    throw new X509Error(
      'key-missing',
      `${source} holds a certificate or request, not a private key`,
      { source },
    )
  }
  throw new X509Error('key-malformed', `${source} is no private key`, { source })
}

function isPkcs8(der: Uint8Array): boolean {
  const [first, second] = firstTags(der)
  return first === TAG.integer && second === TAG.sequence
}

function firstTags(der: Uint8Array): [number, number] {
  try {
    const outer = DerReader.open(der, 'private key')
    const fields = outer.sequence('key')
    outer.finish('key')
    const first = fields.peek()
    fields.skip('version')
    return [first, fields.peek()]
  } catch (error) {
    if (error instanceof X509Error) return [-1, -1]
    throw error
  }
}

function publicPart(keyObject: KeyObject): PublicKey {
  return PublicKey.fromSpki(plainView(keyObject.export({ format: 'der', type: 'spki' })))
}

function generator(type: KeyType): Generator {
  const found = GENERATORS.get(type)
  if (found !== undefined) return found
  const near = closest(type, KEY_TYPES)
  throw new X509Error('key-unsupported', `unknown key type "${type}"`, {
    hint: near === undefined ? `known types: ${KEY_TYPES.join(', ')}` : `did you mean "${near}"?`,
  })
}

function ec(namedCurve: string): Generator {
  return {
    now: () => generateKeyPairSync('ec', { namedCurve }),
    later: () => generateLater('ec', { namedCurve }),
  }
}

function rsa(modulusLength: number): Generator {
  return {
    now: () => generateKeyPairSync('rsa', { modulusLength }),
    later: () => generateLater('rsa', { modulusLength }),
  }
}

function mlDsa(name: 'ml-dsa-44' | 'ml-dsa-65' | 'ml-dsa-87'): Generator {
  return { now: () => generateKeyPairSync(name), later: () => generateLater(name, {}) }
}

const generateLater = promisify(generateKeyPair)

const GENERATORS: ReadonlyMap<string, Generator> = new Map<KeyType, Generator>([
  ['p256', ec('P-256')],
  ['p384', ec('P-384')],
  [
    'ed25519',
    { now: () => generateKeyPairSync('ed25519'), later: () => generateLater('ed25519', {}) },
  ],
  ['rsa2048', rsa(2048)],
  ['rsa3072', rsa(3072)],
  ['rsa4096', rsa(4096)],
  ['ml-dsa-44', mlDsa('ml-dsa-44')],
  ['ml-dsa-65', mlDsa('ml-dsa-65')],
  ['ml-dsa-87', mlDsa('ml-dsa-87')],
])

const FORMS: ReadonlyMap<string, Form> = new Map<string, Form>([
  ['PRIVATE KEY', 'plain'],
  ['ENCRYPTED PRIVATE KEY', 'encrypted'],
  ['EC PRIVATE KEY', 'sec1'],
  ['RSA PRIVATE KEY', 'pkcs1'],
])

const SIGNING_TYPES: ReadonlySet<string> = new Set([
  'ec',
  'rsa',
  'rsa-pss',
  'ed25519',
  'ed448',
  'ml-dsa-44',
  'ml-dsa-65',
  'ml-dsa-87',
])
