/**
 * From the options to the TLS context a server starts with, and to the next one when it reloads.
 *
 * Paths are kept as paths, so that a reload reads the files as they are then.
 *
 * @module
 */
import { type ClientCertificates, createDefaultContext, type TlsContext } from '@countersign/tls'
import { type Adhoc, makeAdhoc } from './adhoc.ts'
import { ServerError } from './errors.ts'
import type { ServeOptions, TlsSources } from './options.ts'
import { rememberLists } from './revocation-lists.ts'

/** Everything a context is made from. */
export interface ContextSource {
  readonly sources: TlsSources
  readonly fixed: FixedSettings
  /** What adhoc made: the certificate until another is given. */
  readonly adhoc: Adhoc | undefined
}

/** What a reload cannot change. */
type FixedSettings = Pick<ServeOptions, 'profile' | 'minVersion' | 'maxVersion' | 'danger'> & {
  readonly clientCertificates: ClientCertificates
}

/**
 * Whether the options ask for HTTPS, and everything about them that does not fit together.
 *
 * @throws {@link ServerError} `https-required`, `certificate-required`, `client-ca-required`, `option-conflict`
 */
export function wantsHttps(options: ServeOptions): boolean {
  const identity = options.cert ?? options.pfx ?? options.context ?? (options.adhoc || undefined)
  const https = options.https ?? identity !== undefined
  const verifies = options.verifyUser !== undefined && options.verifyUser !== false
  if (!https) {
    if (!verifies) return false
    throw new ServerError('https-required', 'verifyUser needs https', {
      option: 'verifyUser',
      hint: 'pass https: true with a certificate, or leave verifyUser out',
    })
  }
  if (identity === undefined) {
    throw new ServerError('certificate-required', 'https needs a certificate', {
      option: 'cert',
      hint: 'pass cert and key (countersign issue NAME makes them), or adhoc: true for a throw-away one',
    })
  }
  refuseConflicts(options)
  if (verifies && options.ca === undefined && options.context === undefined) {
    // Node would believe every public authority.
    throw new ServerError('client-ca-required', 'verifyUser needs the authorities it believes', {
      option: 'ca',
      hint: 'pass the root of your clients as ca',
    })
  }
  return true
}

/** What a server starts from. */
export function contextSource(options: ServeOptions, host: string): ContextSource {
  const { cert, key, passphrase, pfx, ca, crl, context } = options
  const { profile, minVersion, maxVersion, danger } = options
  const adhoc =
    options.adhoc === undefined || options.adhoc === false
      ? undefined
      : makeAdhoc(host, options.adhoc === true ? {} : options.adhoc)
  return {
    sources: { cert, key, passphrase, pfx, ca, crl, context },
    fixed: {
      profile,
      minVersion,
      maxVersion,
      danger,
      clientCertificates: policyOf(options),
    },
    adhoc,
  }
}

/** The source after a reload: what is given replaces what was; an identity and a context replace as one. */
export function mergeSources(before: ContextSource, given: TlsSources): ContextSource {
  if (given.context !== undefined) return { ...before, sources: given }
  const { cert, key, passphrase, pfx, ca, crl } = given
  const identity = cert !== undefined || pfx !== undefined
  if (before.sources.context !== undefined && !identity) {
    throw new ServerError('option-conflict', 'this server was started with a context of its own', {
      option: 'context',
      hint: 'pass the new context, or certificate and key as well',
    })
  }
  const previous: TlsSources = before.sources
  const own = identity
    ? { cert, key, passphrase, pfx }
    : {
        cert: previous.cert,
        key: key ?? previous.key,
        passphrase: passphrase ?? previous.passphrase,
        pfx: previous.pfx,
      }
  return {
    fixed: before.fixed,
    adhoc: identity ? undefined : before.adhoc,
    sources: { ...own, ca: ca ?? previous.ca, crl: crl ?? previous.crl },
  }
}

/**
 * Builds the context; nothing of a running server has changed when it fails.
 *
 * @throws TlsError or X509Error naming the file and the fault
 */
export function buildContext({ sources, fixed, adhoc }: ContextSource): TlsContext {
  if (sources.context !== undefined) return checkContext(sources.context, fixed)
  const { ca, crl } = sources
  const identity =
    adhoc === undefined
      ? {
          cert: sources.cert,
          key: sources.key,
          passphrase: sources.passphrase,
          pfx: sources.pfx,
        }
      : { cert: adhoc.certificates, key: adhoc.key }
  const context = createDefaultContext({ purpose: 'client-auth', ...identity, ca, crl, ...fixed })
  rememberLists(context, crl)
  return context
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

function policyOf({ verifyUser = false }: ServeOptions): ClientCertificates {
  if (verifyUser === 'ask') return 'ask'
  return verifyUser ? 'require' : 'none'
}

function refuseConflicts(options: ServeOptions): void {
  const { adhoc, context, cert, key, pfx, ca, verifyUser } = options
  if (adhoc !== undefined && adhoc !== false && (cert ?? key ?? pfx ?? context) !== undefined) {
    throw conflict('adhoc', 'adhoc makes the certificate that is also given', 'pass one of them')
  }
  if (context !== undefined) {
    for (const option of CONTEXT_INSTEAD_OF) {
      if (options[option] === undefined) continue
      throw conflict(
        option,
        `option ${option} is given beside a context`,
        'the context holds it already: pass it when you make the context',
      )
    }
  }
  if (ca !== undefined && verifyUser === undefined) {
    // Silence here would be a server whose clients nobody checks.
    throw conflict(
      'ca',
      'ca is given, but verifyUser is not',
      'pass verifyUser: true to let only its clients in, or verifyUser: false to say that nobody is checked',
    )
  }
}

function conflict(option: keyof ServeOptions, message: string, hint: string): ServerError {
  return new ServerError('option-conflict', message, { option, hint })
}

const CONTEXT_INSTEAD_OF = [
  'cert',
  'key',
  'passphrase',
  'pfx',
  'ca',
  'crl',
  'profile',
  'minVersion',
  'maxVersion',
  'danger',
] as const
