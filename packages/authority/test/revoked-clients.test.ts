import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
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
import { encodePem, PrivateKey } from '@countersign/x509'
import { clientRequest, serverRequest, suiteAuthority } from './fixture.ts'

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

for (const server of SERVERS) {
  const skip = skipWithout(server.name, 'curl')
  describe(`${server.name} with our lists`, { skip }, () => {
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
      const lists = (await authority.crl()).map(({ der }) => encodePem('X509 CRL', der))
      writeFileSync(at('lists.pem'), lists.join(''))
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
        '15',
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
        if (command.child.exitCode !== null) break
        await pause(50)
      }
      throw new Error(`${server.name} does not answer\n${command.stderr()}`)
    }
  })
}
