/**
 * The terms of a site, made of its source: a context, lists, and the judge of its clients. Nothing of a running server has changed
 * when this fails.
 *
 * @module
 */
import { createDefaultContext, type TlsContext } from '@countersign/tls'
import { ClientJudge } from './client-judge.ts'
import type { FixedSettings, TermsSource } from './context-source.ts'
import { ServerError } from './errors.ts'
import { RevocationIndex } from './revocation-index.ts'
import type { LoadedList } from './list-reader.ts'
import { loadLists } from './revocation-lists.ts'
import { coversPattern, type Terms } from './sites.ts'

/**
 * Makes the terms.
 *
 * @throws TlsError or X509Error naming the file and the fault; {@link ServerError} `option-conflict`, `host-not-covered`
 */
export async function buildTerms(source: TermsSource): Promise<Terms> {
  const { fixed, pattern, sources } = source
  const given = sources.context
  const context = given === undefined ? buildContext(source) : checkContext(given, fixed)
  checkPattern(context, pattern)
  const lists = await loadLists(
    given === undefined ? sources.crl : given.crls.length === 0 ? undefined : given.crls,
    [...context.trust.certificates, ...context.chain.slice(1)],
  )
  return termsOf(context, lists, fixed)
}

function termsOf(context: TlsContext, lists: readonly LoadedList[], fixed: FixedSettings): Terms {
  const asks = context.clientCertificates !== 'none'
  const revocation =
    asks && lists.length > 0 ? new RevocationIndex(lists, fixed.revocation) : undefined
  const judge = new ClientJudge({
    context,
    revocation,
    listsInHandshake: context.crls.length > 0,
  })
  return { context, judge, lists, strict: fixed.strict }
}

function buildContext({ sources, fixed, adhoc }: TermsSource): TlsContext {
  const { ca, crl } = sources
  const { strict, revocation: _, ...settings } = fixed
  const identity =
    adhoc === undefined
      ? {
          cert: sources.cert,
          key: sources.key,
          passphrase: sources.passphrase,
          pfx: sources.pfx,
        }
      : { cert: adhoc.certificates, key: adhoc.key }
  // OpenSSL walks through a list at every handshake; only where it is to cut the connection does it get one.
  return createDefaultContext({
    purpose: 'client-auth',
    ...identity,
    ca,
    ...(strict ? { crl } : {}),
    ...settings,
  })
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
