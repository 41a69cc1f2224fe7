/**
 * The roots every machine brings: those of its system and those built into Node. Read once per process, parsed by need.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import { errorCode, errorMessage } from '@countersign/core'
import { Certificate } from '@countersign/x509'
import { TlsError } from './errors.ts'
import { stampNow } from './trust-stamp.ts'
import type { TrustPart } from './trust-source.ts'

/** The system's roots; none where a system keeps none. The same value until {@link refreshSystemRoots} finds others. */
export function systemRoots(): TrustPart {
  return system().part
}

/**
 * Reads the system's file again if it is another than the one that was read; only for Linux, where there is one.
 *
 * @throws {@link TlsError} `ca-missing`, `ca-empty`; what was read before stays
 */
export function refreshSystemRoots(): void {
  system().refresh()
}

/** Mozilla's roots as this Node carries them. */
export function bundledRoots(): TrustPart {
  return bundledPart()
}

/** The roots of one file, or of a system that keeps them elsewhere; read when they are asked for. */
export class SystemRoots {
  readonly #file: string | undefined
  #part: TrustPart
  #stamp: string

  constructor(file: string | undefined) {
    this.#file = file
    this.#stamp = this.#stampNow()
    this.#part = this.#read()
  }

  get part(): TrustPart {
    return this.#part
  }

  /** See {@link refreshSystemRoots}. */
  refresh(): void {
    const file = this.#file
    const stamp = this.#stampNow()
    if (file === undefined || stamp === this.#stamp) return
    const part = this.#read()
    const detail = { source: 'system', path: file, hint: REFRESH_HINT }
    let count: number
    try {
      count = part.certificates.length
    } catch (error) {
      throw new TlsError('ca-missing', `system: cannot read ${file}: ${errorMessage(error)}`, {
        ...detail,
        nodeCode: errorCode(error),
        cause: error,
      })
    }
    if (count === 0) throw new TlsError('ca-empty', `system: ${file} holds no certificate`, detail)
    this.#part = part
    this.#stamp = stamp
  }

  #read(): TrustPart {
    const file = this.#file
    return lazyPart('system', file, () => {
      // Node's own reader obeys SSL_CERT_FILE and SSL_CERT_DIR, which we have weighed already, gives each root three
      // or four times, and takes 16 to 40 ms where the one file takes 2.
      const pems =
        file === undefined ? getCACertificates('system') : splitPem(readFileSync(file, 'utf8'))
      return unique(pems)
    })
  }

  #stampNow(): string {
    return this.#file === undefined ? '' : stampNow([this.#file]).text
  }
}

function lazyPart(
  kind: 'system' | 'bundled',
  path: string | undefined,
  read: () => readonly Certificate[],
): TrustPart {
  const certificates = once(read)
  return {
    source: {
      kind,
      name: kind,
      path,
      get count() {
        return certificates().length
      },
    },
    get certificates() {
      return certificates()
    },
  }
}

const bundledPart = once(() =>
  lazyPart('bundled', undefined, () => unique(getCACertificates('bundled'))),
)

const system = once(() => {
  const isLinux = process.platform === 'linux'
  return new SystemRoots(isLinux ? SYSTEM_FILES.find((file) => existsSync(file)) : undefined)
})

/** Each once; read when somebody asks, for Node or the system has checked them. */
function unique(pems: readonly string[]): readonly Certificate[] {
  const found = new Map<string, Certificate>()
  for (const pem of new Set(pems)) {
    const body = pem.slice(pem.indexOf('\n') + 1, pem.lastIndexOf('-----END'))
    const certificate = Certificate.fromTrustedDer(new Uint8Array(Buffer.from(body, 'base64')))
    found.set(certificate.fingerprint, certificate)
  }
  return [...found.values()]
}

function splitPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

const REFRESH_HINT = 'write it again: update-ca-certificates, or update-ca-trust'

/** Debian, Fedora, openSUSE, old Fedora, Alpine: the places Go looks at, in Go's order. */
const SYSTEM_FILES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]
