/**
 * The terms of a site, made of its source: a context, lists, and the judge of its clients. Nothing of a running server has changed
 * when this fails.
 *
 * @module
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  createDefaultContextInTurns,
  type TlsContext,
  type TlsContextOptions,
  TrustStore,
} from '@countersign/tls'
import { ClientJudge } from './client-judge.ts'
import type { FixedSettings, TermsSource } from './context-source.ts'
import { ServerError } from './errors.ts'
import { type FetchedLists, withoutUrls } from './fetched-lists.ts'
import { RevocationIndex } from './revocation-index.ts'
import type { LoadedList } from './list-reader.ts'
import type { CrlOption } from './revocation-lists.ts'
import type { TlsSources } from './options.ts'
import { coversPattern, type Terms } from './sites.ts'

/**
 * Makes the terms.
 *
 * @throws TlsError or X509Error naming the file and the fault; {@link ServerError} `option-conflict`, `host-not-covered`, and those of
 * a list that cannot be fetched
 */
export async function buildTerms(source: TermsSource, fetched: FetchedLists): Promise<Terms> {
  const { fixed, pattern, sources } = source
  const given = sources.context
  const context = given === undefined ? await buildContext(source) : checkContext(given, fixed)
  checkPattern(context, pattern)
  const crl = given === undefined ? sources.crl : given.crls.length === 0 ? undefined : given.crls
  const lists = crl === undefined ? [] : await ownLists(crl, context)
  // Making a context takes as long as a hundred answers: between it and what follows, those that wait have their turn.
  await nextTurn()
  await fetched.prepare(source, context)
  return termsOf(context, lists, source, fetched)
}

/** The same terms with the lists that were fetched since. */
export function withFetchedLists(terms: Terms, source: TermsSource, fetched: FetchedLists): Terms {
  if (!fetched.areWantedBy(source, terms.context)) return terms
  return termsOf(terms.context, terms.ownLists, source, fetched)
}

async function ownLists(crl: CrlOption, context: TlsContext): Promise<LoadedList[]> {
  // Most servers read none, and start sooner without.
  const { loadLists } = await import('./revocation-lists.ts')
  return await loadLists(crl, [...context.trust.certificates, ...context.chain.slice(1)])
}

function termsOf(
  context: TlsContext,
  own: readonly LoadedList[],
  source: TermsSource,
  fetched: FetchedLists,
): Terms {
  const isFetched = fetched.areWantedBy(source, context)
  const lists = isFetched ? [...own, ...fetched.lists] : own
  const asks = context.clientCertificates !== 'none'
  const judge = new ClientJudge({
    context,
    // Where lists are wanted and there are none, nobody gets in.
    revocation:
      asks && (isFetched || lists.length > 0)
        ? new RevocationIndex(
            lists,
            source.fixed.revocation,
            isFetched ? (certificate) => fetched.learn(certificate) : undefined,
          )
        : undefined,
    listsInHandshake: context.crls.length > 0,
    permits: source.fixed.permits,
  })
  return { context, judge, lists, ownLists: own, strict: source.fixed.strict }
}

async function buildContext({ sources, fixed, adhoc }: TermsSource): Promise<TlsContext> {
  const { crl } = sources
  const { strict, revocation: _revocation, permits: _permits, ...settings } = fixed
  const identity =
    adhoc === undefined
      ? {
          cert: sources.cert,
          key: sources.key,
          passphrase: sources.passphrase,
          pfx: sources.pfx,
          moreCertificates: sources.moreCertificates,
        }
      : { cert: adhoc.certificates, key: adhoc.key }
  // OpenSSL walks through a list at every handshake; only where it is to cut the connection does it get one. It wants all of them
  // or none, so where one is fetched it gets none, and the connection is cut by our own index.
  return await createDefaultContextInTurns({
    purpose: 'client-auth',
    ...identity,
    ...(await trustOf(sources, fixed)),
    ...(strict && withoutUrls(crl) === crl ? { crl } : {}),
    ...settings,
  })
}

/** The authorities of the clients, read in a turn of their own. */
async function trustOf(
  { ca }: TlsSources,
  { clientCertificates }: FixedSettings,
): Promise<Pick<TlsContextOptions, 'ca' | 'trust'>> {
  if (ca === undefined || clientCertificates === 'none') return { ca }
  const trust = TrustStore.resolve({ ca, env: false })
  await nextTurn()
  return { trust }
}

function checkContext(context: TlsContext, fixed: FixedSettings): TlsContext {
  const wanted = fixed.clientCertificates
  if (context.purpose !== 'client-auth') {
    throw new ServerError('option-conflict', 'the context is one for clients', {
      option: 'context',
      hint: "make it with createDefaultContext({ purpose: 'client-auth', cert, key })",
    })
  }
  if (wanted !== 'none' && context.clientCertificates !== wanted) {
    throw new ServerError(
      'option-conflict',
      `verifyUser asks for "${wanted}", the context says "${context.clientCertificates}"`,
      {
        option: 'verifyUser',
        hint: `make the context with clientCertificates: '${wanted}', or leave verifyUser out`,
      },
    )
  }
  return context
}

function checkPattern({ certificate }: TlsContext, pattern: string | undefined): void {
  if (pattern === undefined || certificate === undefined || coversPattern(certificate, pattern))
    return
  throw new ServerError(
    'host-not-covered',
    `hosts: the certificate for ${pattern} does not hold that name`,
    {
      option: 'hosts',
      hint: `issue one that does: countersign issue '${pattern}'`,
    },
  )
}
