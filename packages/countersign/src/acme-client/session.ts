/**
 * How an ACME server is reached: its address, and whom to trust for it.
 *
 * @module
 */
import { type KeptSession, openSession } from '../client-session.ts'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import type { AcmeFetch } from './connection.ts'

/** The options that say whom to trust. */
export interface AcmeTrustFlags {
  ca?: string[]
  extraCa?: string[]
}

/** Requests to a server, until it is disposed of. */
export interface AcmeSession extends AsyncDisposable {
  readonly fetch: AcmeFetch
}

/** Opens a session for a server. */
export async function openAcmeSession(
  flags: AcmeTrustFlags & { readonly timeout?: number },
  data: DataFolder,
  directory: string,
): Promise<AcmeSession> {
  const { timeout } = flags
  const limits = timeout === undefined ? {} : { timeout }
  const kept = await openSession({ ...trustOf(flags), ...limits }, data, directory)
  return { fetch: fetchBy(kept), [Symbol.asyncDispose]: async () => kept[Symbol.asyncDispose]() }
}

/**
 * The address of the directory: a host alone stands for the one that Countersign has.
 *
 * @throws ProgramError `usage`
 */
export function directoryUrl(text: string): string {
  const complete = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`
  const url = URL.parse(complete)
  if (url === null || url.protocol !== 'https:') {
    throw new ProgramError('usage', `"${text}" is no https address of an ACME directory`, {
      hint: 'write https://HOST[:PORT]/acme/directory',
    })
  }
  if (url.pathname === '/') url.pathname = '/acme/directory'
  return url.href
}

/** Requests through the session, which knows whom to trust. */
function fetchBy({ session }: KeptSession): AcmeFetch {
  return async (method, url, body) => {
    const response = await session.request(url, {
      method,
      redirect: 'error',
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/jose+json' } }),
    })
    const headers = new Headers()
    for (const [name, value] of response.headers) headers.append(name, value)
    return { status: response.status, headers, body: await response.bytes() }
  }
}

function trustOf({ ca, extraCa }: AcmeTrustFlags): { ca?: string[]; extraCa?: string[] } {
  return { ...(ca === undefined ? {} : { ca }), ...(extraCa === undefined ? {} : { extraCa }) }
}
