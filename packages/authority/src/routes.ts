/**
 * The authority over HTTP. What is signed is public: the roots, the revocation lists, the OCSP answers, the issuers' certificates.
 * Everything else asks `authorize` first, and then looks at the roles it answers.
 *
 * @module
 */
import { checkOptions, CoreError, parseDuration, problemResponse } from '@countersign/core'
import { StoreError } from '@countersign/store'
import type { Certificate } from '@countersign/x509'
import { Hono } from 'hono'
import type { OpenedAuthority } from './authority.ts'
import { type Authorize, type Caller, PERMISSIONS } from './authorize.ts'
import { AuthorityError, statusOf } from './errors.ts'
import {
  checkQuery,
  parseEnrolmentBody,
  parseIssueBody,
  parseJsonObject,
  readBody,
} from './http-body.ts'
import { createOcspRoutes } from './ocsp-routes.ts'
import { holderOf, parseRenewalBody, renewByHolder } from './holder-renewal.ts'
import { parseRevocationReason } from './reasons.ts'
import type { Asker } from './requester-rules.ts'
import { namesOfUser } from './subject.ts'
import type { Issued } from './issue-types.ts'
import type { LedgerEntry } from './types.ts'

/** The application; mount it at the root of the service. */
export function createRoutes(authority: OpenedAuthority, authorize: Authorize): Hono {
  const application = new Hono()

  /** Refuses unless the caller has a role that may; answers the caller. */
  async function admit(
    action: keyof typeof PERMISSIONS,
    request: Request,
    env: unknown,
  ): Promise<Caller | Response> {
    const caller = await authorize(request, env, action)
    if (caller instanceof Response) return caller
    if (caller.roles.some((role) => PERMISSIONS[action].includes(role))) {
      return caller
    }
    const refused = new AuthorityError(
      'role-missing',
      `"${caller.name}" may not ${action} certificates`,
      { hint: `this takes one of the roles ${PERMISSIONS[action].join(', ')}` },
    )
    await authority.noteRefusal(caller.name, `${action} certificates`, refused)
    throw refused
  }

  application.get('/roots.pem', async (context) => {
    await authority.current()
    const tag = `"${authority.roots.map((root) => root.fingerprint.slice(0, 16)).join('.')}"`
    const headers = { 'cache-control': 'public, max-age=3600', etag: tag }
    if (context.req.header('if-none-match') === tag)
      return new Response(null, { status: 304, headers })
    return new Response(authority.rootsPem, {
      headers: { ...headers, 'content-type': 'application/x-pem-file' },
    })
  })

  // For servers whose certificate was handed out before the chain changed.
  application.get('/intermediates.pem', async () => {
    const { chain } = await authority.current()
    return new Response(chain.map((certificate) => certificate.pem).join(''), {
      headers: {
        'cache-control': 'public, max-age=3600',
        'content-type': 'application/x-pem-file',
      },
    })
  })

  application.get('/crl/:file', async (context) => {
    const file = context.req.param('file')
    const id = file.replace(/\.(crl|crt)$/, '')
    if (file.endsWith('.crt')) {
      const { records } = await authority.current()
      const record = records.find((one) => one.id === id)
      return record === undefined
        ? notFound()
        : bytes(record.certificate.der, 'application/pkix-cert', 'public, max-age=86400')
    }
    const { ca = id, part } = /^(?<ca>.+)\.(?<part>[1-9]\d{0,8})$/.exec(id)?.groups ?? {}
    const crl = file.endsWith('.crl') ? await authority.crlOf(ca, Number(part ?? 0)) : undefined
    if (crl === undefined) return notFound()
    const headers = {
      'last-modified': crl.thisUpdate.toUTCString(),
      etag: `"${crl.number}"`,
      // Short: a revocation should not wait for a cache.
      'cache-control': 'public, max-age=60, must-revalidate',
    }
    if (context.req.header('if-none-match') === headers.etag) {
      return new Response(null, { status: 304, headers })
    }
    return new Response(crl.stream(), {
      headers: {
        ...headers,
        'content-type': 'application/pkix-crl',
        'content-length': String(crl.size),
      },
    })
  })

  application.route('/', createOcspRoutes(authority.ocsp))

  application.get('/ca/certificates', async (context) => {
    const caller = await admit('list', context.req.raw, context.env)
    if (caller instanceof Response) return caller
    const { limit, ...options } = parseListQuery(new URL(context.req.url).searchParams)
    const entries = await authority.list({ ...options, limit: Math.min(limit + 1, 1000) })
    const page = entries.slice(0, limit)
    const next = entries.length > limit ? page.at(-1)?.fingerprint : undefined
    return json({ certificates: page.map(entryDocument), ...(next === undefined ? {} : { next }) })
  })

  application.post('/ca/certificates', async (context) => {
    const caller = await authorize(context.req.raw, context.env, 'issue')
    if (caller instanceof Response) return caller
    const by = askerOf(caller, authority.trustDomain)
    if (!authority.mayAsk(by)) {
      throw new AuthorityError('role-missing', `"${caller.name}" may not issue certificates`, {
        hint: 'this takes the role admin, or a rule for one of the roles or the name: countersign policy',
      })
    }
    const body = await readBody(context.req.raw, BODY_LIMIT)
    const contentType = context.req.header('content-type') ?? ''
    const request = parseIssueBody(body, contentType, queryOf(context.req.url))
    const issued = await authority.issue({ ...request, requester: caller.name, by })
    return issuedResponse(issued, context.req.header('accept'))
  })

  // The token says who asks: it is looked at before anything of the request is read that costs.
  application.post('/ca/enroll', async (context) => {
    const token = /^bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1] ?? ''
    const found = await authority.enrolment.find(token)
    const body = await readBody(context.req.raw, BODY_LIMIT)
    const contentType = context.req.header('content-type') ?? ''
    const request = parseEnrolmentBody(body, contentType)
    const issued = await authority.enrolment.use(found, request)
    return issuedResponse(issued, context.req.header('accept'))
  })

  // The certificate of the connection says who asks, or a signature of its key.
  application.post('/ca/certificates/renew', async (context) => {
    const body = parseRenewalBody(await readBody(context.req.raw, BODY_LIMIT))
    const holder = holderOf(context.env, body, authority.now())
    const issued = await renewByHolder(authority, holder, body.csr)
    return issuedResponse(issued, context.req.header('accept'))
  })

  application.post('/ca/certificates/:serial/revoke', async (context) => {
    const caller = await admit('revoke', context.req.raw, context.env)
    if (caller instanceof Response) return caller
    const body = await readBody(context.req.raw, BODY_LIMIT)
    const fields = body.length === 0 ? {} : parseJsonObject(body)
    checkOptions(fields, ['reason'], 'the body')
    const { reason = 'unspecified' } = fields
    if (typeof reason !== 'string') {
      throw new AuthorityError('reason-unknown', 'reason must be a string')
    }
    const entry = await authority.revoke(
      context.req.param('serial'),
      parseRevocationReason(reason),
      caller.name,
    )
    return json(entryDocument(entry))
  })

  application.notFound(() => notFound())
  application.onError((error) => refusal(error))
  return application
}

/** Mostly there is none, and then there is nothing to read. */
function queryOf(url: string): URLSearchParams {
  return url.includes('?') ? new URL(url).searchParams : NO_QUERY
}

function askerOf({ name, roles }: Caller, trustDomain: string): Asker {
  return { via: 'user', name, roles, own: namesOfUser(name, trustDomain) }
}

function issuedResponse({ certificate, chain, serialNumber }: Issued, accept = ''): Response {
  const leaf = certificate.pem
  const whole = leaf + chain.slice(1).map(authorityPem).join('')
  if (wantsPem(accept)) {
    return new Response(whole, {
      status: 201,
      headers: {
        'cache-control': 'no-store',
        'content-type': 'application/pem-certificate-chain',
      },
    })
  }
  return json({ certificate: leaf, chain: whole, serial: serialNumber }, 201)
}

/** Of an authority, which stands in every answer. */
function authorityPem(certificate: Certificate): string {
  let pem = AUTHORITY_PEMS.get(certificate)
  if (pem === undefined) {
    pem = certificate.pem
    AUTHORITY_PEMS.set(certificate, pem)
  }
  return pem
}

function parseListQuery(query: URLSearchParams): {
  limit: number
  after: string | undefined
  search: string | undefined
  issuer: string | undefined
  revoked: boolean | undefined
  expiringWithinMs: number | undefined
} {
  checkQuery(query, ['limit', 'after', 'q', 'revoked', 'expiring', 'issuer'])
  const limit = Number(query.get('limit') ?? 100)
  if (!Number.isInteger(limit) || limit < 1) {
    throw new AuthorityError('option-invalid', 'limit must be a whole number above 0')
  }
  const revoked = query.get('revoked')
  if (revoked !== null && revoked !== 'true' && revoked !== 'false') {
    throw new AuthorityError('option-invalid', 'revoked must be true or false')
  }
  const expiring = query.get('expiring')
  return {
    limit: Math.min(limit, 999),
    after: query.get('after') ?? undefined,
    search: query.get('q') ?? undefined,
    issuer: query.get('issuer') ?? undefined,
    revoked: revoked === null ? undefined : revoked === 'true',
    expiringWithinMs: expiring === null ? undefined : parseDuration(expiring),
  }
}

function entryDocument(entry: LedgerEntry): Record<string, unknown> {
  const { issuedAt, notBefore, notAfter, revokedAt, ...rest } = entry
  return {
    ...rest,
    issuedAt: issuedAt.toISOString(),
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    ...(revokedAt === undefined ? {} : { revokedAt: revokedAt.toISOString() }),
  }
}

/** Whether a PEM chain is what is wanted: it is named, and JSON is not. */
function wantsPem(accept: string): boolean {
  return (
    /\bapplication\/(?:pem-certificate-chain|x-pem-file)\b/i.test(accept) && !/json/i.test(accept)
  )
}

function json(value: unknown, status = 200): Response {
  return Response.json(value, { status, headers: { 'cache-control': 'no-store' } })
}

function bytes(
  body: Uint8Array,
  type: string,
  caching: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(Buffer.from(body), {
    headers: { ...headers, 'content-type': type, 'cache-control': caching },
  })
}

function notFound(): Response {
  return problemResponse({ status: 404, code: 'not-found', detail: 'there is nothing here' })
}

/** An error as a refusal; what is not ours says nothing about itself. */
function refusal(error: Error): Response {
  if (error instanceof AuthorityError) {
    const { code, message, hint, refusedName, findings } = error
    // A fault of ours names keys and paths: it is the operator's to read, and not for whoever asks.
    if (statusOf(code) >= 500) throw error
    const facts = { name: refusedName, findings }
    return problemResponse({ status: statusOf(code), code, detail: message, hint, facts })
  }
  if (error instanceof CoreError && REQUEST_FAULTS.has(error.code)) {
    return problemResponse({
      status: 400,
      code: error.code,
      detail: error.message,
      hint: error.hint,
    })
  }
  if (error instanceof StoreError && error.code === 'value-invalid') {
    return problemResponse({ status: 400, code: error.code, detail: error.message })
  }
  // Nothing is answered without the ledger, and what is wrong with it is not for whoever asks.
  if (error instanceof StoreError) {
    const detail = 'the database cannot be reached'
    return problemResponse({
      status: 503,
      code: 'store-unavailable',
      detail,
      hint: 'try again later',
    })
  }
  // What is not foreseen is the server's to log.
  throw error
}

const REQUEST_FAULTS: ReadonlySet<string> = new Set([
  'option-unknown',
  'option-invalid',
  'duration-invalid',
])
const BODY_LIMIT = 64 * 1024
const NO_QUERY = new URLSearchParams()
const AUTHORITY_PEMS = new WeakMap<Certificate, string>()
