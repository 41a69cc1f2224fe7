/** Lists of one certificate and of 100,000, as the programs of others read them. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { writeIdentity } from '@countersign/authority'
import {
  outsideTool,
  type RunningCommand,
  runCommand,
  scrubProcess,
  skipWithout,
  startCommand,
  temporaryFolder,
} from '@countersign/testkit'
import { buildCrl, encodePem, PrivateKey, randomSerial } from '@countersign/x509'
import { clientRequest, type Fixture, serverRequest, suiteAuthority } from './fixture.ts'

scrubProcess()

/** A server that asks for certificates of our authority, on a Unix socket: there is no port to fight over. */
interface Server {
  readonly name: string
  /** The text of its settings. */
  settings(folder: string): string
  arguments(settings: string): string[]
}

const SERVERS: readonly Server[] = [
  {
    name: 'nginx',
    settings: (folder) => `
daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr info;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server {
    listen unix:${folder}/server.sock ssl;
    ssl_certificate ${folder}/api.corp.internal.crt; ssl_certificate_key ${folder}/api.corp.internal.key;
    ssl_client_certificate ${folder}/roots.pem; ssl_verify_client on; ssl_verify_depth 3;
    ssl_crl ${folder}/lists.pem;
    location / { return 200 "welcome\\n"; }
  }
}
`,
    arguments: (settings) => ['-e', 'stderr', '-c', settings],
  },
  {
    name: 'haproxy',
    settings: (folder) => `
global
  log stderr format raw local0
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend front
  bind unix@${folder}/server.sock ssl crt ${folder}/server.pem ca-file ${folder}/roots.pem verify required crl-file ${folder}/lists.pem
  http-request return status 200 content-type text/plain string "welcome\\n"
`,
    arguments: (settings) => ['-db', '-f', settings],
  },
]

/** How many are revoked, of whom one is mallory. */
const COUNTS = [1, 100_000]

for (const server of SERVERS.flatMap((one) => COUNTS.map((revoked) => ({ ...one, revoked })))) {
  const skip = skipWithout(server.name, 'curl')
  describe(`${server.name} with our lists, of ${server.revoked} revoked`, { skip }, () => {
    const suite = suiteAuthority({ publicUrl: 'http://127.0.0.1:9' })
    const folder = temporaryFolder(after)
    const at = (name: string): string => path.join(folder, name)
    let running: RunningCommand | undefined
    before(async () => {
      const { authority } = suite.current
      const files = { roots: authority.roots }
      const key = await PrivateKey.generate('p256')
      const { publicKey } = key
      const own = await authority.issue(serverRequest({ publicKey }))
      await writeIdentity(folder, 'api.corp.internal', own, { ...files, key })
      const chain = own.chain.map(({ pem }) => pem).join('')
      writeFileSync(at('server.pem'), chain + key.toPem(), { mode: 0o600 })
      for (const name of ['alice', 'mallory']) {
        const clientKey = await PrivateKey.generate('p256')
        const asked = clientRequest({ names: [name], publicKey: clientKey.publicKey })
        const issued = await authority.issue(asked)
        await writeIdentity(folder, name, issued, { ...files, key: clientKey })
        if (name === 'mallory') await authority.revoke(issued.serialNumber, 'keyCompromise')
      }
      writeFileSync(at('lists.pem'), await listsOf(suite.current, server.revoked))
      writeFileSync(at('settings'), server.settings(folder))
      const program = outsideTool(server.name) ?? server.name
      running = startCommand(program, server.arguments(at('settings')))
      await waitForAnswer(running)
    })
    after(async () => running?.[Symbol.asyncDispose]())

    it('lets in who was not revoked', async () => {
      const { code, stdout, stderr } = await call('alice')
      assert.equal(code, 0, stderr + running?.stderr())
      assert.match(stdout, /welcome/)
    })

    it('refuses who was revoked', async () => {
      const { code, stdout } = await call('mallory')
      assert.doesNotMatch(stdout, /welcome/)
      // It answers in words and tells the reason to its log alone; haproxy ends the handshake.
      if (server.name === 'nginx') await running?.waitForOutput(/certificate revoked/)
      else assert.notEqual(code, 0)
    })

    it('refuses who has no certificate', async () => {
      const { stdout } = await call()
      assert.doesNotMatch(stdout, /welcome/)
    })

    async function call(name?: string): ReturnType<typeof runCommand> {
      const identity =
        name === undefined ? [] : ['--cert', at(`${name}.crt`), '--key', at(`${name}.key`)]
      return await runCommand('curl', [
        '-sS',
        '--max-time',
        '60',
        '--unix-socket',
        at('server.sock'),
        '--cacert',
        at('roots.pem'),
        ...identity,
        'https://api.corp.internal/',
      ])
    }

    /** The socket appears before it is listened on: only an answer proves it. */
    async function waitForAnswer(command: RunningCommand): Promise<void> {
      const deadline = Date.now() + 60_000
      while (Date.now() < deadline) {
        if (existsSync(at('server.sock')) && (await call('alice')).code === 0) return
        const { exitCode, signalCode } = command.child
        if (exitCode !== null || signalCode !== null) break
        await pause(50)
      }
      throw new Error(`${server.name} does not answer\n${command.stderr()}`)
    }
  })
}

describe('openssl verify -crl_check_all', { skip: skipWithout('openssl') }, () => {
  const suite = suiteAuthority({ publicUrl: 'http://127.0.0.1:9' })
  const folder = temporaryFolder(after)
  const write = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text)
    return path.join(folder, name)
  }
  for (const revoked of COUNTS) {
    it(`tells who is among ${revoked} revoked, and who is not`, async () => {
      const { authority } = suite.current
      const [alice, mallory] = await authority.issueMany([clientRequest(), clientRequest()])
      assert.ok(alice !== undefined && mallory !== undefined)
      await authority.revoke(mallory.serialNumber, 'keyCompromise')
      const { code, stdout, stderr } = await runCommand('openssl', [
        'verify',
        '-x509_strict',
        '-crl_check_all',
        `-CRLfile=${write('lists.pem', await listsOf(suite.current, revoked))}`,
        `-CAfile=${write('roots.pem', authority.rootsPem)}`,
        `-untrusted=${write('issuer.pem', authority.issuer.pem)}`,
        write('alice.pem', alice.certificate.pem),
        write('mallory.pem', mallory.certificate.pem),
      ])
      assert.notEqual(code, 0)
      assert.match(stdout, /alice\.pem: OK/)
      assert.doesNotMatch(stdout, /mallory\.pem: OK/)
      assert.match(stderr, /certificate revoked[^]*mallory\.pem: verification failed/)
    })
  }
})

/** PEM of the lists of all levels; where so many are not in the ledger, others stand in the issuer's beside those that are. */
async function listsOf({ authority, folder }: Fixture, revoked: number): Promise<string> {
  const lists = await authority.crl()
  const entries = await authority.list({ revoked: true })
  const [issuers, ...above] = lists.map(({ der }) => encodePem('X509 CRL', der))
  if (entries.length >= revoked) return [issuers, ...above].join('')
  const date = new Date(Date.now() - 60_000)
  const serials = entries.map(({ serial }) => serial)
  while (serials.length < revoked) serials.push(Buffer.from(randomSerial()).toString('hex'))
  const passphrase = readFileSync(path.join(folder, 'passphrase'), 'utf8').trim()
  const key = PrivateKey.parse(readFileSync(path.join(folder, 'issuer.key'), 'utf8'), {
    passphrase,
  })
  const big = buildCrl(
    {
      issuer: authority.issuer,
      crlNumber: 1000n,
      thisUpdate: date,
      nextUpdate: new Date(date.getTime() + 86_400_000),
      revoked: serials.map((serialNumber) => ({ serialNumber, date, reason: 'superseded' })),
    },
    key.signer(),
  )
  return [big.pem, ...above].join('')
}
