/**
 * The roots every machine brings: those of its system and those built into Node. Read once per process, parsed by need.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import { Certificate } from '@countersign/x509'
import type { TrustPart } from './trust-source.ts'

/** The system's roots; none where a system keeps none. */
export function systemRoots(): TrustPart {
  return lazyPart('system', systemFile(), system)
}

/** Mozilla's roots as this Node carries them. */
export function bundledRoots(): TrustPart {
  return lazyPart('bundled', undefined, bundled)
}

function lazyPart(
  kind: 'system' | 'bundled',
  file: string | undefined,
  certificates: () => readonly Certificate[],
): TrustPart {
  return {
    source: {
      kind,
      name: kind,
      path: file,
      get count() {
        return certificates().length
      },
    },
    get certificates() {
      return certificates()
    },
  }
}

const system = once(() => {
  const file = systemFile()
  // Node's own reader obeys SSL_CERT_FILE and SSL_CERT_DIR, which we have weighed already, gives each root three
  // or four times, and takes 16 to 40 ms where the one file takes 2.
  const pems =
    file === undefined ? getCACertificates('system') : splitPem(readFileSync(file, 'utf8'))
  return unique(pems)
})

const bundled = once(() => unique(getCACertificates('bundled')))

const systemFile = once(() =>
  process.platform === 'linux' ? SYSTEM_FILES.find((file) => existsSync(file)) : undefined,
)

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

/** Debian, Fedora, openSUSE, old Fedora, Alpine: the places Go looks at, in Go's order. */
const SYSTEM_FILES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]
