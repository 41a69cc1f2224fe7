/**
 * `--from URL`: certificates from an authority on another machine, over a connection that its root vouches for. Keys are made here
 * and stay here.
 *
 * @module
 */
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Session } from '@countersign/client'
import { makeFolder, writeFileAtomic } from '@countersign/core'
import {
  Certificate,
  createRequest,
  type KeyType,
  PrivateKey,
  verifyChain,
} from '@countersign/x509'
import { completeUrl, openSession } from './client-session.ts'
import type { CommandContext } from './command.ts'
import type { DataFolder } from './data-folder.ts'
import { EXIT, ProgramError } from './errors.ts'
import { readSecretFile } from './open-data.ts'
import { type ProfileFlags, profileOf } from './profile-flags.ts'

/** Which authority, and whom to trust. */
export interface FromFlags {
  from: string
  ca?: string[] | undefined
  extraCa?: string[] | undefined
}

/** The options of `issue --from`. */
export interface IssueFromFlags extends FromFlags, ProfileFlags {
  tokenFile?: string
  keyType: KeyType
  days?: number
  out: string
  force?: boolean
}

type Chain = readonly [leaf: Certificate, issuer: Certificate, ...above: Certificate[]]

/** What an authority has handed out. */
interface Received {
  readonly chain: Chain
  readonly roots: readonly Certificate[]
}

/**
 * Makes a key, has it certified with an enrolment token, and writes the same files as `issue`. The key is on the disk before the
 * token is used: a disk that is full costs no token.
 *
 * @throws ProgramError `usage`, `file-unreadable`, `refused`, `request-failed`; AuthorityError `key-exists`, `roots-differ`;
 *   CoreError `file-write-failed`; errors of the client
 */
export async function issueFrom(
  names: readonly string[],
  flags: IssueFromFlags,
  { output, data }: CommandContext,
): Promise<void> {
  if (flags.tokenFile === undefined) {
    throw new ProgramError('usage', '--from needs --token-file', {
      hint: 'make a token where the authority is: countersign enroll-token NAME > token',
    })
  }
  const profile = profileOf(flags)
  const token = readSecretFile(flags.tokenFile, 'token')
  if (!/^[\u0021-\u007e]{1,200}$/.test(token)) {
    throw new ProgramError('file-unreadable', `${flags.tokenFile} holds no enrolment token`)
  }
  const { identityFileName, writeIdentity } = await import('@countersign/authority')
  const folder = path.resolve(flags.out)
  const [name = ''] = names
  const key = await PrivateKey.generate(flags.keyType)
  const kept = path.join(folder, `${identityFileName(name)}.key.new`)
  makeFolder(folder)
  await writeFileAtomic(kept, key.toPem())
  let received: Received
  try {
    received = await ask(flags, data, '/ca/enroll', {
      key,
      body: {
        csr: createRequest({ key, subjectAltNames: [] }).pem,
        names,
        ...(profile === 'server' ? {} : { profile }),
        days: flags.days,
      },
      headers: { authorization: `Bearer ${token}` },
    })
  } catch (error) {
    rmSync(kept, { force: true })
    throw error
  }
  const { chain, roots } = received
  const written = await writeIdentity(
    folder,
    name,
    { chain },
    { roots, key, overwrite: flags.force === true },
  )
  rmSync(kept, { force: true })
  const [leaf] = chain
  const { serialNumber: serial, subjectAltNames, notAfter, fingerprint } = leaf
  output.result(
    { serial, names: subjectAltNames, notAfter, fingerprint, files: written },
    Object.values(written)
      .filter((file) => file !== undefined)
      .join('\n'),
  )
  output.note(`serial ${serial}, valid until ${notAfter.toISOString()}`)
}

/** What is renewed. */
export interface RenewalFrom {
  readonly certificate: Certificate
  readonly certificateFile: string
  /** The key of the certificate, and its file. */
  readonly key: PrivateKey
  readonly keyFile: string
  /** Another key to certify. */
  readonly next: PrivateKey | undefined
}

/**
 * Renews by what is there: a client's certificate is shown to the server, which verifies it; a server's is no client's, and its key
 * signs the request instead. The latter also where the server, or what stands before it, asks for no certificate.
 *
 * @throws ProgramError `refused`, `request-failed`; AuthorityError `certificate-revoked`, `certificate-unknown`,
 *   `certificate-expired`; errors of the client
 */
export async function renewFrom(
  flags: FromFlags,
  data: DataFolder,
  { certificate, certificateFile, key, keyFile, next }: RenewalFrom,
): Promise<Received> {
  const csr = next === undefined ? undefined : createRequest({ key: next, subjectAltNames: [] })
  const body = csr === undefined ? {} : { csr: csr.pem }
  const wanted = next ?? key
  if (certificate.extensions.extendedKeyUsage?.includes('clientAuth') === true) {
    try {
      const identity = { cert: certificateFile, key: keyFile }
      return await ask({ ...flags, ...identity }, data, RENEWAL, { key: wanted, body })
    } catch (error) {
      if (!(error instanceof ProgramError) || error.message !== NOBODY_SHOWN) throw error
    }
  }
  const { signRenewal } = await import('@countersign/authority')
  const time = new Date()
  const signature = signRenewal({ certificate, csr: csr?.der, time }, key)
  const proof = { certificate: certificate.pem, time: time.toISOString(), signature }
  return await ask(flags, data, RENEWAL, { key: wanted, body: { ...body, ...proof } })
}

interface Asked {
  /** Whose certificate has to come back. */
  readonly key: PrivateKey
  readonly body: object
  readonly headers?: Record<string, string> | undefined
}

/** Asks, and checks what comes: the right key, and a chain that ends in the authority's roots. */
async function ask(
  flags: FromFlags & { cert?: string; key?: string },
  data: DataFolder,
  target: string,
  { key, body, headers = {} }: Asked,
): Promise<Received> {
  const origin = originOf(flags.from)
  const { ca, extraCa, cert, key: keyFile } = flags
  await using kept = await openSession(
    {
      ...(ca === undefined ? {} : { ca }),
      ...(extraCa === undefined ? {} : { extraCa }),
      ...(cert === undefined ? {} : { cert }),
      ...(keyFile === undefined ? {} : { key: keyFile }),
    },
    data,
    origin,
  )
  const answer = await post(kept.session, new URL(target, origin).href, body, headers)
  const [leaf, issuer, ...above] = certificatesOf(member(answer, 'chain'), 'the answer')
  if (leaf === undefined || issuer === undefined || !leaf.publicKey.equals(key.publicKey)) {
    throw new ProgramError('request-failed', `${origin} certified another key than it was asked to`)
  }
  const chain: Chain = [leaf, issuer, ...above]
  const response = await kept.session.get(new URL('/roots.pem', origin).href, { redirect: 'error' })
  const roots = certificatesOf(await response.text(), 'roots.pem')
  const verdict = verifyChain({ leaf, intermediates: [issuer, ...above], roots, purpose: 'any' })
  if (verdict.ok) return { chain, roots }
  throw new ProgramError(
    'request-failed',
    `what ${origin} handed out does not verify: ${verdict.message}`,
  )
}

async function post(
  session: Session,
  url: string,
  body: object,
  headers: Record<string, string>,
): Promise<unknown> {
  const response = await session.post(url, {
    json: body,
    headers: { ...headers, accept: 'application/json' },
    redirect: 'error',
  })
  const text = await response.text()
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    answer = undefined
  }
  if (response.ok) return answer
  throw await refusalOf(response.status, answer, url)
}

/** The server's own words, which are for whoever asks. */
async function refusalOf(status: number, answer: unknown, url: string): Promise<Error> {
  const [code, detail, hint] = ['code', 'detail', 'hint'].map((name) => member(answer, name))
  const message = typeof detail === 'string' ? detail : `${url} answers ${status}`
  const advice = typeof hint === 'string' ? hint : undefined
  const { AuthorityError } = await import('@countersign/authority')
  if (
    code === 'certificate-revoked' ||
    code === 'certificate-unknown' ||
    code === 'certificate-expired'
  ) {
    return new AuthorityError(code, message, { hint: advice })
  }
  if (code === 'certificate-missing') return new ProgramError('refused', NOBODY_SHOWN)
  const isRefused = status === 401 || status === 403
  return new ProgramError(isRefused ? 'refused' : 'request-failed', message, {
    hint: advice,
    ...(isRefused ? { exit: EXIT.refused } : {}),
  })
}

function certificatesOf(pem: unknown, source: string): Certificate[] {
  if (typeof pem === 'string') return Certificate.parseAll(pem, source)
  throw new ProgramError('request-failed', `${source} holds no certificates`)
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** The key that belongs to a certificate's file: `FILE` with the ending .key, where no other is named. */
export function readKeyOf(file: string, certificate: Certificate): PrivateKey {
  const key = PrivateKey.parse(readFileSync(file, 'utf8'), { source: file })
  if (key.publicKey.equals(certificate.publicKey)) return key
  throw new ProgramError('usage', `${file} holds the key of another certificate`, {
    hint: 'name the key file of this one with --key',
  })
}

function originOf(text: string): string {
  const url = new URL(completeUrl(text))
  if (url.protocol === 'https:' && url.username === '' && url.password === '') return url.origin
  throw new ProgramError('usage', 'an authority is asked at an https address without a password', {
    hint: 'countersign issue NAME --from https://ca.corp.internal:8443 --token-file FILE',
  })
}

const RENEWAL = '/ca/certificates/renew'
const NOBODY_SHOWN = 'the server has seen no certificate'
