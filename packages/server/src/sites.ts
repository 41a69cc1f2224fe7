/**
 * The sites of one server: its own, and one for each host name that has certificates or rules of its own. A client is judged by the
 * site whose name it asked for in its first message; its requests must be for that site too.
 *
 * @module
 */
import type { TlsContext } from '@countersign/tls'
import type { Certificate } from '@countersign/x509'
import type { ClientJudge } from './client-judge.ts'
import { ServerError } from './errors.ts'
import type { LoadedList } from './list-reader.ts'

/** What connections of one site are made with and judged by; never changed, replaced as one by a reload. */
export interface Terms {
  readonly context: TlsContext
  readonly judge: ClientJudge
  readonly lists: readonly LoadedList[]
  /** Those of them that were not fetched. */
  readonly ownLists: readonly LoadedList[]
  /** A client that is refused is cut off in its handshake, and reads no reason. */
  readonly strict: boolean
}

/** One site. */
export class Site {
  /** The host name or pattern it is for; `undefined` for the server's own. */
  readonly pattern: string | undefined
  terms: Terms

  constructor(pattern: string | undefined, terms: Terms) {
    this.pattern = pattern
    this.terms = terms
  }
}

/** All sites of one server. */
export class Sites implements Iterable<Site> {
  readonly main: Site
  readonly #exact = new Map<string, Site>()
  /** Longest first, so that the nearest one wins. */
  readonly #wild: { readonly suffix: string; readonly site: Site }[] = []
  /** Another after each change. */
  version = 0
  #askSomewhere = false

  constructor(main: Site, hosts: readonly Site[]) {
    this.main = main
    this.replaceHosts(hosts)
  }

  /** Other sites beside the main one from now on; also called when the terms of one have changed. */
  replaceHosts(hosts: readonly Site[]): void {
    this.version++
    this.#exact.clear()
    this.#wild.length = 0
    for (const site of hosts) {
      const { pattern = '' } = site
      if (pattern.startsWith('*.')) this.#wild.push({ suffix: pattern.slice(1), site })
      else this.#exact.set(pattern, site)
    }
    this.#wild.sort((a, b) => b.suffix.length - a.suffix.length)
    this.#askSomewhere = [...this].some(({ terms }) => terms.context.clientCertificates !== 'none')
  }

  get count(): number {
    return 1 + this.#exact.size + this.#wild.length
  }

  /** Whether a certificate decides about anything at any site. */
  get askSomewhere(): boolean {
    return this.#askSomewhere
  }

  /** @param name - in lower case, without a port; a dot at its end does not count */
  find(name: string | undefined): Site {
    if (name === undefined || this.count === 1) return this.main
    const plain = name.endsWith('.') ? name.slice(0, -1) : name
    return (
      this.#exact.get(plain) ??
      this.#wild.find(({ suffix }) => plain.endsWith(suffix) && plain.length > suffix.length)
        ?.site ??
      this.main
    )
  }

  *[Symbol.iterator](): Iterator<Site> {
    yield this.main
    yield* this.#exact.values()
    for (const { site } of this.#wild) yield site
  }
}

/**
 * The name of a site as it is looked up: `*.corp` is every name below `corp`, however deep.
 *
 * @throws {@link ServerError} `option-invalid`
 */
export function checkedPattern(pattern: string): string {
  const plain = pattern.toLowerCase()
  if (PATTERN.test(plain) && plain.length <= 255) return plain
  throw new ServerError('option-invalid', `hosts: ${JSON.stringify(pattern)} is no host name`, {
    option: 'hosts',
    hint: "write 'admin.corp.internal', or '*.corp.internal' for every name below",
  })
}

/** Whether a certificate is for the names of a pattern. */
export function coversPattern(certificate: Certificate, pattern: string): boolean {
  // Any one label in the place of the star: a wildcard certificate covers exactly one.
  return certificate.matchesName({ dns: pattern.replace('*', 'any') })
}

const PATTERN = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/
