/** Chains of before and after a rollover, judged by clients that have the old root, the new one or both: the programs of others. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect, createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { Authority } from '@countersign/authority'
import {
  requirePython,
  requireTool,
  runCommand,
  scrubProcess,
  temporaryFolder,
} from '@countersign/testkit'
import {
  type Certificate,
  CertificateRevocationList,
  type VerifyOptions,
  verifyChain,
} from '@countersign/x509'
import { leafKey, serverRequest, suiteAuthority } from './fixture.ts'
import { serveRoutes } from './ocsp-server.ts'

scrubProcess()

const HOST = 'api.corp.internal'

/** A chain as a server sends it, held against what a client trusts. */
interface Case {
  readonly what: string
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
  readonly accepted: boolean
}

for (const keyType of ['p256', 'rsa2048'] as const) {
  describe(`chains during the rollover of a ${keyType} root and, in it, of the issuer`, () => {
    const folder = temporaryFolder(after)
    const suite = suiteAuthority({ keyType, authorize, constrain: ['.corp.internal'] })
    const cases: Case[] = []
    const revoked: Certificate[] = []
    const files = new Map<readonly Certificate[], string>()

    before(async () => {
      const { authority } = suite.current
      const [old] = authority.roots
      const first = await authority.issue(serverRequest())
      await authority.roll('root')
      const [next] = authority.roots
      assert.ok(old !== undefined && next !== undefined)
      const second = await authority.issue(serverRequest())
      const again = [first.certificate, ...authority.chainOf(first.certificate)]
      await authority.roll('issuer')
      const third = await authority.issue(serverRequest())
      for (const [what, chain, olds, news] of [
        ['issued before', first.chain, true, false],
        ['issued before, sent with the chain of now', again, true, true],
        ['issued under the new root', second.chain, true, true],
        ['issued by the new issuer', third.chain, true, true],
      ] as const) {
        cases.push(
          { what: `${what}; old root`, chain, roots: [old], accepted: olds },
          { what: `${what}; new root`, chain, roots: [next], accepted: news },
          { what: `${what}; both`, chain, roots: authority.roots, accepted: true },
        )
      }
      const gone = await authority.issue(serverRequest())
      await authority.revoke(gone.serialNumber)
      await authority.revoke(first.serialNumber)
      revoked.push(gone.certificate, first.certificate)
    })

    function fileOf(certificates: readonly Certificate[]): string {
      const known = files.get(certificates)
      if (known !== undefined) return known
      const file = path.join(folder, `${files.size}.pem`)
      writeFileSync(file, certificates.map(({ pem }) => pem).join(''))
      files.set(certificates, file)
      return file
    }

    async function judged(judge: (one: Case) => Promise<boolean>): Promise<void> {
      for (const one of cases) assert.equal(await judge(one), one.accepted, one.what)
    }

    it('are judged so by our own validation, lists of the whole chain included', async () => {
      const crls = await allLists(suite.current.authority)
      for (const { what, chain, roots, accepted } of cases) {
        const [leaf, ...intermediates] = chain
        assert.ok(leaf !== undefined)
        const isRevoked = revoked.includes(leaf)
        for (const profile of ['strict', 'openssl'] as const) {
          const asked: VerifyOptions = { leaf, intermediates, roots, profile, name: { dns: HOST } }
          assert.equal(verifyChain(asked).ok, accepted, what)
          const withLists = verifyChain({ ...asked, crls, revocation: 'chain' })
          assert.equal(withLists.ok, accepted && !isRevoked, `${what}, with lists`)
        }
      }
    })

    it('are judged so by openssl verify -x509_strict, and with -crl_check_all', async (t) => {
      const openssl = requireTool(t, 'openssl')
      if (openssl === undefined) return
      const crls = path.join(folder, 'crls.pem')
      const lists = await allLists(suite.current.authority)
      writeFileSync(crls, lists.map(({ pem }) => pem).join(''))
      for (const more of [[], ['-crl_check_all', '-CRLfile', crls]]) {
        await judged(async ({ chain, roots, accepted }) => {
          const [leaf, ...above] = chain
          assert.ok(leaf !== undefined)
          const { code, stdout, stderr } = await runCommand(openssl, [
            'verify',
            '-x509_strict',
            '-purpose',
            'sslserver',
            '-verify_hostname',
            HOST,
            ...more,
            '-CAfile',
            fileOf(roots),
            '-untrusted',
            fileOf(above),
            fileOf([leaf]),
          ])
          if (more.length === 0 || !revoked.includes(leaf)) return code === 0
          if (accepted) assert.match(stdout + stderr, /certificate revoked/)
          return accepted
        })
      }
    })

    it('are judged so by Node, in a handshake', async () => {
      await judged(async ({ chain, roots }) =>
        nodeAccepts(
          chain.map(({ pem }) => pem).join(''),
          roots.map(({ pem }) => pem),
        ),
      )
    })

    it('are judged so by Python, which is strict, in a handshake', async (t) => {
      const python = requirePython(t, { strict: true })
      if (python === undefined) return
      const key = path.join(folder, 'leaf.key')
      writeFileSync(key, leafKey.toPem(), { mode: 0o600 })
      const input = cases.map(({ chain, roots }) =>
        JSON.stringify({ chain: fileOf(chain), key, roots: fileOf(roots), host: HOST }),
      )
      const script = fileURLToPath(new URL('child/servers.py', import.meta.url))
      const { stdout, stderr } = await runCommand(python, [script], {
        input: `${input.join('\n')}\n`,
      })
      assertAnswers(stdout, stderr)
    })

    it('are judged so by Java', async (t) => {
      const java = requireTool(t, 'java')
      if (java === undefined) return
      const source = fileURLToPath(new URL('child/Trust.java', import.meta.url))
      const input = cases.map(({ chain, roots }) => `${fileOf(chain)} ${fileOf(roots)}`)
      const { code, stdout, stderr } = await runCommand(java, [source], {
        input: `${input.join('\n')}\n`,
        timeoutMs: 60_000,
      })
      if (code !== 0 && /jdk\.compiler|No such file|could not find or load/i.test(stderr)) {
        t.skip('needs a Java that compiles')
        return
      }
      assertAnswers(stdout, stderr)
    })

    function assertAnswers(stdout: string, stderr: string): void {
      const answers = stdout.trim().split('\n')
      assert.deepEqual(
        answers.map((answer, index) => [cases[index]?.what, answer === 'OK']),
        cases.map(({ what, accepted }) => [what, accepted]),
        `${stdout}${stderr}`,
      )
    }

    it('are answered for by OCSP in every generation, as openssl ocsp reads it', async (t) => {
      const openssl = requireTool(t, 'openssl')
      if (openssl === undefined) return
      await using served = await serveRoutes(suite.current.authority)
      for (const { what, chain, roots, accepted } of cases) {
        const [leaf, issuer, ...above] = chain
        if (!accepted || leaf === undefined || issuer === undefined) continue
        const { code, stdout, stderr } = await runCommand(openssl, [
          'ocsp',
          '-url',
          `${served.url}/ocsp`,
          '-issuer',
          fileOf([issuer]),
          '-CAfile',
          fileOf(roots),
          '-verify_other',
          fileOf([issuer, ...above]),
          '-cert',
          fileOf([leaf]),
        ])
        assert.equal(code, 0, `${what}: ${stderr}`)
        assert.match(stderr, /Response verify OK/, what)
        assert.match(stdout, revoked.includes(leaf) ? /: revoked/ : /: good/, what)
      }
    })
  })
}

async function authorize(): Promise<Response> {
  return await Promise.resolve(new Response('who are you?', { status: 401 }))
}

async function allLists(authority: Authority): Promise<CertificateRevocationList[]> {
  return (await authority.crl()).map(({ der }) => CertificateRevocationList.parse(der))
}

async function nodeAccepts(chain: string, roots: readonly string[]): Promise<boolean> {
  const server = createServer({ cert: chain, key: leafKey.toPem() })
  // A client that refuses breaks off.
  server.on('tlsClientError', () => {})
  const { promise: listening, resolve: isListening } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', isListening)
  await listening
  const { promise: answer, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({
    host: '127.0.0.1',
    port: portOf(server.address()),
    ca: [...roots],
    servername: HOST,
  })
  socket.once('secureConnect', () => {
    resolve(socket.authorized)
  })
  socket.once('error', () => {
    resolve(false)
  })
  try {
    return await answer
  } finally {
    socket.destroy()
    server.close()
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not on a port')
  return address.port
}
