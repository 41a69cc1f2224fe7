/**
 * OCSP over HTTP (RFC 6960 appendix A, RFC 5019): GET and POST. Whatever is wrong, the status is 200 and the response says it:
 * clients look into nothing else.
 *
 * @module
 */
import { OcspRequest } from '@countersign/x509'
import { Hono } from 'hono'
import { createHash } from 'node:crypto'
import { readBody } from './http-body.ts'
import type { OcspReply, OcspResponder } from './ocsp-responder.ts'

/** The routes `/ocsp` and `/ocsp/{request}`. */
export function createOcspRoutes(responder: OcspResponder): Hono {
  const application = new Hono()
  application.post('/ocsp', async ({ req }) => {
    const body = await bodyOf(req.raw)
    return notKept(await responder.answer(() => OcspRequest.parse(body)))
  })
  for (const path of ['/ocsp', '/ocsp/*']) {
    application.get(path, async ({ req }) => {
      // As it was sent: base64 has slashes of its own, two of them in a row included.
      const asked = new URL(req.url).pathname.slice('/ocsp/'.length)
      const reply = await responder.answer(() => OcspRequest.fromPath(asked.slice(0, MAX_PATH)))
      return kept(reply, req.header('if-none-match'))
    })
  }
  return application
}

/** The body; one that is too large or breaks off is none, and no request can be read from it. */
async function bodyOf(request: Request): Promise<Uint8Array> {
  try {
    return await readBody(request, MAX_BYTES)
  } catch {
    return new Uint8Array()
  }
}

/** For GET: caches may keep what was not asked for with a nonce, until its end (RFC 5019 §6.2). */
function kept(reply: OcspReply, known: string | undefined): Response {
  if (reply.kept === undefined) return notKept(reply)
  const { thisUpdate, nextUpdate, now } = reply.kept
  const seconds = Math.max(0, Math.floor((nextUpdate.getTime() - now.getTime()) / 1000))
  const headers = {
    'content-type': TYPE,
    'cache-control': `max-age=${seconds}, public, no-transform, must-revalidate`,
    'last-modified': thisUpdate.toUTCString(),
    expires: nextUpdate.toUTCString(),
    etag: `"${createHash('sha256').update(reply.der).digest('hex')}"`,
  }
  if (known === headers.etag) return new Response(null, { status: 304, headers })
  return new Response(Buffer.from(reply.der), { headers })
}

function notKept({ der }: OcspReply): Response {
  return new Response(Buffer.from(der), {
    headers: { 'content-type': TYPE, 'cache-control': 'no-store' },
  })
}

const TYPE = 'application/ocsp-response'
/** Forty certificates; the usual request is about one and has 120 bytes. */
const MAX_BYTES = 4096
/** As much in base64, every third character percent-encoded; what is longer is cut, and is then no request. */
const MAX_PATH = 8192
