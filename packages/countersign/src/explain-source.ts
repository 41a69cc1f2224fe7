/**
 * Explanations of servers and of files of certificates, with the trust that the other commands have.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { styleText } from 'node:util'
import type { Explanation, TrustOptions } from '@countersign/tls'
import { type DataFolder, defaultDataPath } from './data-folder.ts'
import { ProgramError } from './errors.ts'
import { explanationText } from './explanation-text.ts'
import { readGivenFile } from './given-file.ts'
import { distrustedServer, goesRound, type TrustFlags } from './learn-more.ts'
import { ownRoots } from './own-roots.ts'
import { parseTarget } from './target.ts'

/** What decides whom it trusts, as whom it asks, and for which name. */
export interface ExplainFlags {
  ca?: readonly string[] | undefined
  extraCa?: readonly string[] | undefined
  crl?: readonly string[] | undefined
  cert?: string | undefined
  key?: string | undefined
  /** Milliseconds. */
  timeout?: number | undefined
  name?: string | undefined
}

/**
 * Explains a file of certificates, or what a server shows.
 *
 * @throws TlsError for options that cannot be used; {@link ProgramError} `not-found`, `file-unreadable`
 */
export async function explainSource(
  source: string,
  flags: ExplainFlags,
  data: DataFolder,
): Promise<Explanation> {
  const extra = [...(flags.extraCa ?? []), ...ownRoots(data, flags.ca)]
  const trust = { ca: flags.ca, extraCa: extra.length === 0 ? undefined : extra }
  // The folder of --data is one more place where a missing root may lie; the usual one is looked at anyway.
  const env =
    data.path === defaultDataPath() ? process.env : { ...process.env, COUNTERSIGN_DATA: data.path }
  if (existsSync(source)) return await explainFile(source, flags, { ...trust, env })
  const { explain } = await import('@countersign/tls')
  const target = parseTarget(source)
  return await explain(target, {
    ...trust,
    env,
    crl: flags.crl,
    cert: flags.cert,
    key: flags.key,
    serverName: flags.name,
    timeoutMs: flags.timeout,
    // What the client offers: a server may refuse it.
    alpn: ['http/1.1'],
  })
}

/**
 * Asks the server that an error is about, and says on stderr what there is to say; nothing where the error is not about trust.
 * Where the call went through a proxy or a Unix socket, what it saw is explained.
 */
export async function explainFailure(
  error: unknown,
  flags: ExplainFlags & TrustFlags,
  data: DataFolder,
): Promise<void> {
  const server = distrustedServer(error)
  if (server === undefined) return
  const explanation = goesRound(flags)
    ? await explanationOf(error)
    : await explainSource(server, flags, data)
  if (explanation === undefined) return
  const text = explanationText(explanation, (style, words) =>
    styleText(style, words, { stream: process.stderr }),
  )
  process.stderr.write(`${text}\n\n`)
}

/** What an error of the client explains by itself. */
async function explanationOf(error: unknown): Promise<Explanation | undefined> {
  const { IdentityError, TrustError } = await import('@countersign/client')
  const explains = error instanceof TrustError || error instanceof IdentityError
  return explains ? error.explanation : undefined
}

/** The chain of a file against the trust store; no connection is made. */
async function explainFile(
  file: string,
  flags: ExplainFlags,
  trustOptions: TrustOptions & { env: NodeJS.ProcessEnv },
): Promise<Explanation> {
  if (flags.cert !== undefined || flags.key !== undefined) {
    throw new ProgramError('usage', '--cert and --key are for servers, and this is a file')
  }
  const { Certificate, CertificateRevocationList } = await import('@countersign/x509')
  const { explainChain, findElsewhere, TrustStore } = await import('@countersign/tls')
  const certificates = Certificate.parseAll(readGivenFile(file), file)
  const lists = (flags.crl ?? []).flatMap((one) =>
    CertificateRevocationList.parseAll(readGivenFile(one), one).map(({ der }) => der),
  )
  const trust = TrustStore.resolve(trustOptions)
  const evidence = {
    chain: certificates.map(({ der }) => der),
    trust,
    name: flags.name,
    crls: lists.length === 0 ? undefined : lists,
    target: { file },
  }
  const explanation = explainChain(evidence)
  const { brokenLink } = explanation
  const top = certificates.find(
    ({ fingerprint }) => fingerprint === brokenLink?.certificate?.fingerprint,
  )
  if (top === undefined || brokenLink === undefined || !('candidates' in brokenLink.facts)) {
    return explanation
  }
  const elsewhere = await findElsewhere({
    issuer: top.issuer,
    keyId: top.authorityKeyId,
    isIssuer: (candidate) => top.verifySignature(candidate.publicKey),
    consulted: trust,
    env: trustOptions.env,
  })
  return elsewhere.length === 0 ? explanation : explainChain({ ...evidence, elsewhere })
}
