/**
 * Secrets that have to be known again (TOTP seeds, signing keys), encrypted at rest: AES-256-GCM under keys that the database
 * does not hold.
 *
 * The keys are made at the first start and live in a file of their own, 0600, beside the database and never in it: whoever gets
 * a copy of the database alone gets nothing. Nobody chooses them, so there is no default to forget (hyperdx #3089 is one of many).
 * The first key of the file seals; the others open what was sealed before them.
 *
 * @module
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { existsSync, linkSync, rmSync, statSync } from 'node:fs'
import { type Clock, errorCode, readBoundedFile, writeFileAtomic } from '@countersign/core'
import type { Store } from '@countersign/store'
import { z } from 'zod'
import { AuthError } from './errors.ts'
import type { AuthTables } from './schema.ts'

/** Where the keys of a service live. */
export interface KeyOptions {
  /** A file that only its owner may read; made where it is missing. Processes that share a database share a copy of it. */
  path: string
}

/** Seals and opens secrets. */
export class SecretBox {
  /** Whether what is sealed now can be opened after a restart. */
  readonly persistent: boolean
  /** When the oldest key was made. */
  readonly since: Date
  readonly #keys: readonly BoxKey[]

  private constructor(keys: readonly BoxKey[], persistent: boolean) {
    this.#keys = keys
    this.persistent = persistent
    this.since = new Date(Math.min(...keys.map((key) => key.created)))
  }

  /**
   * Opens the box of a service. Without `options` its keys live and end with the process: `seal` then refuses, except where the
   * database ends with it too.
   *
   * @throws {@link AuthError} `keys-unusable`, `keys-missing` (the database was used with a key that the file does not hold)
   */
  static async open(
    options: KeyOptions | undefined,
    store: Store,
    clock: Clock,
  ): Promise<SecretBox> {
    const created = clock().getTime()
    if (options === undefined) {
      return new SecretBox([newKey(created)], store.url === 'sqlite::memory:')
    }
    const db = store.database<AuthTables>()
    const used = await db.selectFrom('auth_key').select('id').execute()
    if (!existsSync(options.path)) {
      if (used.length > 0) throw missing(options.path)
      await createKeyFile(options.path, newKey(created))
    }
    const keys = readKeyFile(options.path)
    const known = new Set(keys.map((key) => key.id))
    if (used.some(({ id }) => !known.has(id))) throw missing(options.path)
    await db
      .insertInto('auth_key')
      .values(keys.map(({ id }) => ({ id, created })))
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute()
    return new SecretBox(keys, true)
  }

  /**
   * Encrypts a secret.
   *
   * @param context - what it is and whose, as in `totp:01M8…`: it opens under the same words only
   * @returns `v1.KEY.NONCE.DATA`
   * @throws {@link AuthError} `keys-required`
   */
  seal(secret: string | Uint8Array, context: string): string {
    if (!this.persistent) {
      throw new AuthError('keys-required', 'a secret can be kept only under a key that is kept', {
        hint: "say where the key lives: createAuth({ store, keys: { path: 'auth.keys' } })",
      })
    }
    const [key] = this.#keys
    if (key === undefined) throw new TypeError('a box without a key')
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', subkey(key, 'seal'), nonce)
    cipher.setAAD(Buffer.from(context))
    const data = Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()])
    return ['v1', key.id, nonce.toString('base64url'), data.toString('base64url')].join('.')
  }

  /**
   * Decrypts what {@link SecretBox.seal} made under the same words.
   *
   * @throws {@link AuthError} `secret-unreadable`
   */
  open(sealed: string, context: string): Uint8Array {
    const [version, id, nonceText = '', dataText = '', ...rest] = sealed.split('.')
    const key = this.#keys.find((each) => each.id === id)
    const nonce = Buffer.from(nonceText, 'base64url')
    const data = Buffer.from(dataText, 'base64url')
    const whole = version === 'v1' && rest.length === 0 && nonce.length === NONCE_BYTES
    if (key === undefined || !whole || data.length < TAG_BYTES) throw unreadable()
    const decipher = createDecipheriv('aes-256-gcm', subkey(key, 'seal'), nonce, {
      authTagLength: TAG_BYTES,
    })
    decipher.setAAD(Buffer.from(context))
    decipher.setAuthTag(data.subarray(-TAG_BYTES))
    try {
      const first = decipher.update(data.subarray(0, -TAG_BYTES))
      return Buffer.concat([first, decipher.final()])
    } catch (error) {
      throw unreadable(error)
    }
  }

  /** Whether a secret was sealed with a key that is not the first any more. */
  isStale(sealed: string): boolean {
    return sealed.split('.')[1] !== this.#keys[0]?.id
  }

  /**
   * A value that only holders of the key can compute: HMAC-SHA256, base64url.
   *
   * @param purpose - keeps the uses apart
   * @param keyId - which key; the first one where it is left out
   * @returns `undefined` for a key that is not there
   */
  mac(purpose: string, input: string, keyId?: string): string | undefined {
    const key = keyId === undefined ? this.#keys[0] : this.#keys.find(({ id }) => id === keyId)
    if (key === undefined) return undefined
    return createHmac('sha256', subkey(key, `mac:${purpose}`))
      .update(input)
      .digest('base64url')
  }

  /** The name of the key that seals; says nothing about it. */
  get keyId(): string {
    return this.#keys[0]?.id ?? ''
  }
}

interface BoxKey {
  /** Eight characters of the key's own hash. */
  id: string
  created: number
  secret: Uint8Array
  subkeys: Map<string, KeyObject>
}

function keyOf(secret: Uint8Array, created: number): BoxKey {
  const id = hash('sha256', Buffer.concat([Buffer.from('countersign key id\0'), secret]), 'hex')
  return { id: id.slice(0, 8), created, secret, subkeys: new Map() }
}

function newKey(created: number): BoxKey {
  return keyOf(randomBytes(KEY_BYTES), created)
}

/** As an object, which takes a sixth of the time of a mac from its bytes. */
function subkey(key: BoxKey, purpose: string): KeyObject {
  const known = key.subkeys.get(purpose)
  if (known !== undefined) return known
  const bytes = hkdfSync('sha256', key.secret, '', `countersign ${purpose}`, 32)
  const derived = createSecretKey(Buffer.from(bytes))
  key.subkeys.set(purpose, derived)
  return derived
}

/** Two processes may start at once: the first file stays, whole. */
async function createKeyFile(path: string, key: BoxKey): Promise<void> {
  const file: KeyFile = {
    version: 1,
    keys: [
      {
        created: new Date(key.created).toISOString(),
        key: Buffer.from(key.secret).toString('base64url'),
      },
    ],
  }
  const own = `${path}.${key.id}.new`
  await writeFileAtomic(own, `${JSON.stringify(file, undefined, 2)}\n`)
  try {
    linkSync(own, path)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw unusable(path, 'cannot be made', error)
  } finally {
    rmSync(own, { force: true })
  }
}

function readKeyFile(path: string): BoxKey[] {
  const { mode } = statSync(path)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new AuthError('keys-unusable', `${path} may be read by others`, {
      hint: `close it to them: chmod 600 ${path}`,
    })
  }
  let text: string
  try {
    text = readBoundedFile(path, 65_536).toString('utf8')
  } catch (error) {
    throw unusable(path, 'cannot be read', error)
  }
  const parsed = KEY_FILE.safeParse(parseJson(text))
  if (!parsed.success) throw unusable(path, 'is not a file of keys')
  return parsed.data.keys.map(({ created, key }) => {
    const secret = Buffer.from(key, 'base64url')
    if (!isRandom(secret)) throw unusable(path, 'holds a key that nobody drew by chance')
    return keyOf(secret, Date.parse(created))
  })
}

/** Refuses what people type or paste: text, a repeated byte, zeros. Chance does that once in 10^13. */
function isRandom(secret: Uint8Array): boolean {
  if (secret.length !== KEY_BYTES) return false
  if (new Set(secret).size < 16) return false
  return secret.some((byte) => byte < 0x20 || byte > 0x7e)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function missing(path: string): AuthError {
  return new AuthError('keys-missing', `${path} lacks a key that this database was used with`, {
    hint: 'put the file back from a backup, or copy it from the machine that shares the database',
  })
}

function unusable(path: string, fault: string, cause?: unknown): AuthError {
  return new AuthError('keys-unusable', `${path} ${fault}`, {
    cause,
    hint: 'put the file back from a backup; without it what was encrypted is lost',
  })
}

function unreadable(cause?: unknown): AuthError {
  return new AuthError('secret-unreadable', 'a stored secret cannot be decrypted', {
    cause,
    hint: 'its key or the row was changed: enrol the factor again, or restore both from one backup',
  })
}

interface KeyFile {
  version: 1
  keys: { created: string; key: string }[]
}

const KEY_FILE: z.ZodType<KeyFile> = z.strictObject({
  version: z.literal(1),
  keys: z
    .array(z.strictObject({ created: z.iso.datetime(), key: z.base64url().length(43) }))
    .min(1)
    .max(16),
})

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
