/**
 * The authority's side of a signer on another machine: asks over mutual TLS, and believes no signature that does not verify.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { AuthorityError, type RemoteSigner } from '@countersign/authority'
import { ClientError, Session } from '@countersign/client'
import { CountersignError, errorMessage } from '@countersign/core'
import {
  type Certificate,
  type KeyType,
  PublicKey,
  type Signer,
  signingAlgorithm,
  verifySignature,
} from '@countersign/x509'
import type { DataFolder } from '../data-folder.ts'
import { readSignerSettings, type SignerSettings } from './settings.ts'

/** A signer that can be asked. */
export interface OpenSigner extends AsyncDisposable {
  readonly remoteSigner: RemoteSigner
}

/** The signer that a data folder names, or `undefined`. */
export async function openSigner(data: DataFolder): Promise<OpenSigner | undefined> {
  const settings = readSignerSettings(data)
  return settings === undefined ? undefined : connectSigner(settings)
}

/**
 * Gives signers for whatever key the other side holds; nothing is sent before something is to be signed.
 *
 * @param timeoutMs - for one signature @defaultValue 10 seconds
 */
export function connectSigner(
  settings: SignerSettings,
  timeoutMs: number = TIMEOUT_MS,
): OpenSigner {
  const { url, ca, cert, key } = settings
  let session: Session | undefined
  const sessionOf = (): Session =>
    (session ??= new Session({
      baseUrl: url,
      ca,
      cert,
      key,
      timeoutMs,
      retry: 0,
      redirect: 'error',
      trustEnvironment: false,
      maxBodyBytes: MOST_ANSWERED,
    }))
  return {
    remoteSigner: Object.assign((publicKey: PublicKey) => signerOf(publicKey, url, sessionOf), {
      makeNext: async (keyType: KeyType) => {
        const spki = await ask(sessionOf, url, '/next', Buffer.from(keyType))
        return PublicKey.fromSpki(spki, `the answer of ${url}`)
      },
      adopt: async (chain: readonly Certificate[]) => {
        await ask(sessionOf, url, '/issuers', Buffer.from(chain.map(({ pem }) => pem).join('')))
      },
    }),
    [Symbol.asyncDispose]: async () => session?.[Symbol.asyncDispose](),
  }
}

function signerOf(publicKey: PublicKey, url: string, session: () => Session): Signer {
  const signatureAlgorithm = signingAlgorithm(publicKey)
  return {
    publicKey,
    signatureAlgorithm,
    sign: async (tbs) => {
      const signature = await ask(session, url, '/sign', tbs, { 'signer-key': nameOf(publicKey) })
      if (verifySignature(signatureAlgorithm, publicKey, tbs, signature)) return signature
      throw new AuthorityError(
        'signer-refused',
        `what ${url} answered is no signature of ${nameOf(publicKey)}`,
        {
          hint: 'the signer holds another key, or somebody changes its answers: nothing was issued',
        },
      )
    },
  }
}

async function ask(
  session: () => Session,
  url: string,
  path: string,
  body: Uint8Array,
  more: Record<string, string> = {},
): Promise<Uint8Array> {
  try {
    const headers = { 'content-type': 'application/octet-stream', ...more }
    const response = await session().post(path, { body, headers })
    const bytes = await response.bytes()
    if (response.status === 200) return bytes
    throw refusal(url, response.status, bytes)
  } catch (error) {
    if (error instanceof AuthorityError || !(error instanceof CountersignError)) throw error
    const isAbout = error instanceof ClientError ? error.message : errorMessage(error)
    throw new AuthorityError(
      'signer-unavailable',
      `the signer ${url} cannot be asked: ${isAbout}`,
      {
        cause: error,
        hint:
          error.hint ??
          'nothing was signed: see whether countersign signer serve runs there, then try again',
      },
    )
  }
}

function refusal(url: string, status: number, bytes: Uint8Array): AuthorityError {
  const detail = detailOf(bytes) ?? `it answered ${status}`
  if (status === 429 || status >= 500) {
    return new AuthorityError(
      'signer-unavailable',
      `the signer ${url} does not sign now: ${detail}`,
      {
        hint: 'nothing was signed: try again in a moment',
      },
    )
  }
  return new AuthorityError('signer-refused', detail, {
    hint: `see what ${url} allows: countersign signer serve --allow, --max-days`,
  })
}

/** The words of a problem document (RFC 9457), without what a terminal would act upon. */
function detailOf(bytes: Uint8Array): string | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (typeof value !== 'object' || value === null || !('detail' in value)) return undefined
    return String(value.detail)
      .replaceAll(/\p{Cc}/gu, '?')
      .slice(0, 500)
  } catch {
    return undefined
  }
}

/** How the two sides name a key: SHA-256 of its SubjectPublicKeyInfo. */
export function nameOf(publicKey: PublicKey): string {
  return hash('sha256', publicKey.spki, 'hex')
}

const TIMEOUT_MS = 10_000
/** An ML-DSA-87 signature has 4,627 bytes. */
const MOST_ANSWERED = 65_536
