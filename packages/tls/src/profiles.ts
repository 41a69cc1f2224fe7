/**
 * Protocol versions, cipher suites and groups: Mozilla's guidelines 6.0 (ssl-config-generator, 2026-04).
 *
 * Node's own defaults accept sixteen more TLS 1.2 suites (static RSA, CBC, ARIA, CCM), finite-field groups and P-521.
 *
 * @module
 */
import { constants } from 'node:crypto'
import type { SecureVersion } from 'node:tls'
import { closest } from '@countersign/core'
import { TlsError } from './errors.ts'

/** `intermediate`: TLS 1.2 and 1.3, for everybody. `modern`: TLS 1.3 only, for service to service. */
export type ProfileName = 'intermediate' | 'modern'

/** A protocol version as Node spells it. */
export type ProtocolVersion = SecureVersion

/** What a profile and the version options come to. */
export interface Protocols {
  profile: ProfileName
  minVersion: ProtocolVersion
  maxVersion: ProtocolVersion
  ciphers: string
  ecdhCurve: string
  secureOptions: number
  /** Whether TLS 1.0 or 1.1 may be spoken. */
  legacy: boolean
}

/** The options that decide about protocols. */
export interface ProtocolOptions {
  profile?: ProfileName | undefined
  minVersion?: ProtocolVersion | undefined
  maxVersion?: ProtocolVersion | undefined
  danger?: { legacyProtocols?: boolean | undefined } | undefined
}

/**
 * Turns the options into one set of protocols.
 *
 * @throws {@link TlsError} `profile-unknown`, `option-invalid` for a version nobody knows, `protocol-refused` for
 * TLS 1.0 and 1.1 without `danger.legacyProtocols`, `version-range` where the lowest is above the highest
 */
export function resolveProtocols(options: ProtocolOptions): Protocols {
  const profile = options.profile ?? 'intermediate'
  const settings = PROFILES.get(profile)
  if (settings === undefined) {
    const near = closest(profile, PROFILES.keys())
    throw new TlsError('profile-unknown', `profile "${profile}" is not known`, {
      source: 'profile',
      hint:
        near === undefined
          ? `known profiles: ${[...PROFILES.keys()].join(', ')}`
          : `did you mean "${near}"?`,
    })
  }
  const legacy = options.danger?.legacyProtocols === true
  const minVersion = options.minVersion ?? (legacy ? 'TLSv1' : settings.minVersion)
  const maxVersion = options.maxVersion ?? 'TLSv1.3'
  checkVersion('minVersion', minVersion, legacy)
  checkVersion('maxVersion', maxVersion, legacy)
  if (VERSIONS.indexOf(minVersion) > VERSIONS.indexOf(maxVersion)) {
    throw new TlsError(
      'version-range',
      options.minVersion === undefined
        ? `maxVersion ${maxVersion} is below ${minVersion}, the lowest of profile "${profile}"`
        : `minVersion ${minVersion} is above maxVersion ${maxVersion}`,
      { source: 'minVersion', hint: 'leave both out: the profile sets them' },
    )
  }
  return {
    profile,
    minVersion,
    maxVersion,
    ciphers: legacy ? `${settings.ciphers}:${LEGACY_CIPHERS}` : settings.ciphers,
    ecdhCurve: GROUPS,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    legacy: legacy && VERSIONS.indexOf(minVersion) < VERSIONS.indexOf('TLSv1.2'),
  }
}

function checkVersion(option: string, version: ProtocolVersion, legacy: boolean): void {
  if (!VERSIONS.includes(version)) {
    throw new TlsError('option-invalid', `${option} "${version}" is not a protocol version`, {
      source: option,
      hint: `write one of ${VERSIONS.join(', ')}`,
    })
  }
  if (VERSIONS.indexOf(version) < VERSIONS.indexOf('TLSv1.2') && !legacy) {
    throw new TlsError('protocol-refused', `${option} ${version} is no longer safe (RFC 8996)`, {
      source: option,
      hint: 'use TLSv1.2 or TLSv1.3; `danger: { legacyProtocols: true }` speaks it anyway, and warns',
    })
  }
}

const VERSIONS: readonly ProtocolVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

const SUITES_13 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

const SUITES_12 = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** TLS 1.0 and 1.1 sign with SHA-1 and MD5, which OpenSSL allows at security level 0 only. */
const LEGACY_CIPHERS = [
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'AES128-SHA',
  '@SECLEVEL=0',
].join(':')

/** The first is hybrid post-quantum; peers that do not know it fall back to X25519. */
const GROUPS = 'X25519MLKEM768:X25519:prime256v1:secp384r1'

const PROFILES: ReadonlyMap<string, { minVersion: ProtocolVersion; ciphers: string }> = new Map([
  ['intermediate', { minVersion: 'TLSv1.2', ciphers: `${SUITES_13}:${SUITES_12}` }],
  ['modern', { minVersion: 'TLSv1.3', ciphers: SUITES_13 }],
])
