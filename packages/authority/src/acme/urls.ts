/**
 * The addresses of everything: each stands on the origin that the request came to, below `/acme`.
 *
 * @module
 */

/** Makes addresses, and reads those of accounts. */
export class AcmeUrls {
  readonly base: string

  /** @param origin - `https://ca.corp.internal:8443` */
  constructor(origin: string) {
    this.base = `${origin}/acme`
  }

  to(resource: AcmeResource): string {
    return `${this.base}/${resource}`
  }

  account(id: string): string {
    return `${this.base}/account/${id}`
  }

  orders(account: string, after?: string): string {
    return `${this.account(account)}/orders${after === undefined ? '' : `?after=${after}`}`
  }

  order(id: string): string {
    return `${this.base}/order/${id}`
  }

  finalize(order: string): string {
    return `${this.order(order)}/finalize`
  }

  authorization(id: string): string {
    return `${this.base}/authz/${id}`
  }

  challenge(id: string): string {
    return `${this.base}/challenge/${id}`
  }

  certificate(id: string, alternate?: number): string {
    const url = `${this.base}/certificate/${id}`
    return alternate === undefined ? url : `${url}/alternate/${alternate}`
  }

  /** The id in the address of an account, or `undefined` where it is none of this server. */
  accountId(url: string): string | undefined {
    const prefix = `${this.base}/account/`
    const id = url.startsWith(prefix) ? url.slice(prefix.length) : ''
    return isId(id) ? id : undefined
  }
}

/** Whether a text can be an id of ours; what cannot never reaches the database. */
export function isId(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text)
}

/** The resources with an address of their own. */
export type AcmeResource =
  | 'directory'
  | 'new-nonce'
  | 'new-account'
  | 'new-order'
  | 'new-authz'
  | 'revoke-cert'
  | 'key-change'
  | 'renewal-info'
