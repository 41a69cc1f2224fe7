/**
 * Another certificate for another name: the context that answers is looked up by what the client asks for (RFC 6066 §3).
 *
 * @module
 */
import type { TLSSocket, TlsOptions } from 'node:tls'
import { callbackify } from 'node:util'
import type { TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import { normalHost } from './server-name.ts'

/** Finds the context for a name, in lower case; `undefined` where there is none: the handshake is then refused. */
export type ServerNameLookup = (
  name: string,
) => TlsContext | undefined | Promise<TlsContext | undefined>

/** Asks the lookup and remembers what it said, for one listener. */
export class ServerNames {
  /** The listener's own context. */
  base: TlsContext
  readonly #lookup: ServerNameLookup
  readonly #found = new Map<string, TlsContext>()
  readonly #failures = new WeakSet<object>()

  constructor(base: TlsContext, lookup: ServerNameLookup) {
    this.base = base
    this.#lookup = lookup
  }

  nodeOptions(): Pick<TlsOptions, 'SNICallback'> {
    return {
      SNICallback: callbackify(async (name: string) => {
        try {
          const { secureContext } = await this.#find(normalHost(name))
          return secureContext
        } catch (error) {
          const failure = error instanceof TlsError ? error : lookupFailure(name, error)
          this.#failures.add(failure)
          throw failure
        }
      }),
    }
  }

  /** The context that the handshake was done under; a client that named nothing got the listener's. */
  contextOf({ servername }: TLSSocket): TlsContext | undefined {
    return typeof servername === 'string' && servername !== ''
      ? this.#found.get(normalHost(servername))
      : undefined
  }

  /** The error as it stands, where it is one of a lookup. */
  failureOf(error: unknown): TlsError | undefined {
    return error instanceof TlsError && this.#failures.has(error) ? error : undefined
  }

  async #find(name: string): Promise<TlsContext> {
    const context = await this.#lookup(name)
    if (context === undefined) {
      throw new TlsError('server-name-refused', `the client asked for ${name}, which is not served`)
    }
    if (context.clientCertificates !== this.base.clientCertificates) {
      // Node decides before the name is known whether a certificate is asked for.
      throw new TlsError(
        'option-invalid',
        `the context for ${name} has clientCertificates "${context.clientCertificates}", the listener "${this.base.clientCertificates}"`,
        { source: 'serverNames', hint: 'give both the same, or listen on another port' },
      )
    }
    if (this.#found.size >= MOST_NAMES) this.#found.clear()
    this.#found.set(name, context)
    return context
  }
}

function lookupFailure(name: string, cause: unknown): TlsError {
  return new TlsError('server-name-refused', `the lookup for ${name} failed`, { cause })
}

/** A lookup may know every name there is; what is forgotten here is asked for again. */
const MOST_NAMES = 10_000
