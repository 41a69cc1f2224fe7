/** What can be negotiated with a server of ours, suite by suite and group by group: Mozilla's guidelines 6.0, and nothing else. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { serve, type Server, type ServeOptions } from '@countersign/server'
import {
  outsideTool,
  requireTool,
  runCommand,
  scrubProcess,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { openTls } from './support.ts'

scrubProcess()
const authority = testAuthority()
const folder = temporaryFolder(after)
const rootFile = path.join(folder, 'root.pem')
writeFileSync(rootFile, authority.rootPem)
const keys = { ECDSA: 'p256', RSA: 'rsa2048' } as const

/** Mozilla's guidelines 6.0 (2026-04): the names of OpenSSL. */
const SUITES_13 = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
]
const SUITES_12 = {
  ECDSA: [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
  ],
  RSA: [
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ],
}
const GROUPS = ['P-256', 'P-384', 'X25519', 'X25519MLKEM768']

/** Every group that Node's OpenSSL can offer, and some that are weak. */
const ASKED_GROUPS = [
  ...GROUPS,
  'P-521',
  'X448',
  'ffdhe2048',
  'ffdhe3072',
  'ffdhe4096',
  'SecP256r1MLKEM768',
  'SecP384r1MLKEM1024',
  'MLKEM512',
  'MLKEM768',
  'MLKEM1024',
  'brainpoolP256r1tls13',
  'secp256k1',
  'P-224',
]

async function started(kind: 'ECDSA' | 'RSA', options: ServeOptions = {}): Promise<Server> {
  const { chainPem: cert, keyPem: key } = authority.issue({
    names: ['localhost'],
    keyType: keys[kind],
  })
  return serve(() => new Response('x'), { cert, key, ...options })
}

type Version = '1_2' | '1_3'

/** Every suite that this openssl can offer, weak ones and static RSA too. */
async function suitesOf(version: Version): Promise<string[]> {
  const list = version === '1_3' ? ['-tls1_3', '-s'] : ['-tls1_2', '-s']
  const strings = ['ciphers', ...list, 'ALL:COMPLEMENTOFALL:@SECLEVEL=0']
  const { stdout } = await runCommand(outsideTool('openssl') ?? '', strings)
  const names = stdout.trim().split(':')
  const found = names.filter((name) => name.startsWith('TLS_') === (version === '1_3'))
  // Those of TLS 1.3 that openssl does not offer unless it is told to.
  return version === '1_3'
    ? [...new Set([...found, 'TLS_AES_128_CCM_SHA256', 'TLS_AES_128_CCM_8_SHA256'])]
    : found
}

/** What openssl can negotiate: all are offered, then all but the one that was agreed on, until there is none. */
async function negotiable(
  server: Server,
  version: Version,
  offered: readonly string[],
): Promise<string[]> {
  const agreed: string[] = []
  for (;;) {
    const left = offered.filter((name) => !agreed.includes(name)).join(':')
    if (left === '') break
    const choice = version === '1_3' ? ['-ciphersuites', left] : ['-cipher', `${left}:@SECLEVEL=0`]
    const target = ['-connect', `127.0.0.1:${server.port}`, '-servername', 'localhost']
    const { stdout, stderr } = await runCommand(
      outsideTool('openssl') ?? '',
      ['s_client', '-brief', ...target, '-CAfile', rootFile, `-tls${version}`, ...choice],
      { input: '' },
    )
    const [, suite] = /^Ciphersuite: (\S+)$/m.exec(stdout + stderr) ?? []
    if (suite === undefined) {
      assert.match(stderr, /alert (handshake failure|protocol version)/)
      break
    }
    agreed.push(suite)
  }
  return agreed.toSorted()
}

describe('what openssl can negotiate with the defaults', { skip: skipWithout('openssl') }, () => {
  for (const kind of ['ECDSA', 'RSA'] as const) {
    it(`is exactly Mozilla's intermediate with a key of ${kind}; modern is TLS 1.3 alone`, async () => {
      await using intermediate = await started(kind)
      await using modern = await started(kind, { profile: 'modern' })
      const older = await suitesOf('1_2')
      assert.ok(older.includes('AES128-SHA') && older.length > 20, older.join(':'))
      assert.deepEqual(await negotiable(intermediate, '1_2', older), SUITES_12[kind])
      assert.deepEqual(await negotiable(modern, '1_2', older), [])
      const newer = await suitesOf('1_3')
      assert.deepEqual(await negotiable(intermediate, '1_3', newer), SUITES_13)
      assert.deepEqual(await negotiable(modern, '1_3', newer), SUITES_13)
    })
  }

  it('is no version before 1.2', async () => {
    await using server = await started('ECDSA')
    for (const version of ['-tls1', '-tls1_1']) {
      const { code } = await runCommand(
        outsideTool('openssl') ?? '',
        ['s_client', '-connect', `127.0.0.1:${server.port}`, version, '-cipher', 'ALL:@SECLEVEL=0'],
        { input: '' },
      )
      assert.notEqual(code, 0, version)
    }
  })
})

describe('the groups of the defaults', () => {
  for (const profile of ['intermediate', 'modern'] as const) {
    it(`are exactly Mozilla's ${profile}`, async () => {
      await using server = await started('ECDSA', { profile })
      const agreed: string[] = []
      for (const group of ASKED_GROUPS) {
        const options = { ca: authority.rootPem, ecdhCurve: group, minVersion: 'TLSv1.3' } as const
        try {
          const socket = await openTls(server.port, options)
          socket.destroy()
          agreed.push(group)
        } catch {
          // Refused by the server, or not known to this OpenSSL: not to be had either way.
        }
      }
      assert.deepEqual(agreed.toSorted(), GROUPS)
    })
  }
})

describe('what sslscan finds', () => {
  it('is the same', async (t) => {
    const sslscan = requireTool(t, 'sslscan')
    if (sslscan === undefined) return
    await using server = await started('ECDSA')
    const { stdout } = await runCommand(sslscan, [
      '--no-colour',
      '--xml=-',
      '--sni-name=localhost',
      `127.0.0.1:${server.port}`,
    ])
    const all = (pattern: RegExp): string[] =>
      [...stdout.matchAll(pattern)].map(([, one = '']) => one)
    const suites = all(/<cipher status="\w+" sslversion="[^"]+" bits="\d+" cipher="([^"]+)"/g)
    assert.deepEqual(suites.toSorted(), [...SUITES_12.ECDSA, ...SUITES_13].toSorted())
    assert.deepEqual(all(/<protocol type="tls" version="([^"]+)" enabled="1"/g), ['1.2', '1.3'])
    const groups = new Set(all(/<group [^>]*name="([^" ]+)/g))
    for (const group of groups) {
      assert.ok(['secp256r1', 'secp384r1', 'x25519', 'X25519MLKEM768'].includes(group), group)
    }
    assert.match(stdout, /<renegotiation supported="0"/)
    assert.doesNotMatch(stdout, /vulnerable="1"/)
  })
})
