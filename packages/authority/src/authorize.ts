/**
 * Who may do what over HTTP. Who somebody is, is for others to say: the authority asks a function that it is given.
 *
 * @module
 */

/** Who is calling. */
export interface Caller {
  readonly name: string
  readonly roles: readonly string[]
}

/**
 * Says who is calling, or answers the request itself (401, with a challenge).
 *
 * @param env - what the server handed to the application, with the peer
 */
export type Authorize = (request: Request, env: unknown) => Promise<Caller | Response>

/** What may be done, and the roles that may. */
export const PERMISSIONS: Readonly<Record<'list' | 'issue' | 'revoke', readonly string[]>> = {
  list: ['admin', 'issuer', 'viewer'],
  issue: ['admin', 'issuer'],
  revoke: ['admin', 'issuer'],
}
