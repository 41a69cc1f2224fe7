import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runCommand } from '@countersign/testkit'

const folder = fileURLToPath(new URL('..', import.meta.url))

/** Runs one example to its end and answers what it printed. */
async function run(name: string, env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await runCommand(
    process.execPath,
    ['--conditions=@countersign/source', path.join(folder, name)],
    { env },
  )
  assert.equal(code, 0, stderr)
  return stdout
}

describe('the examples', () => {
  it('are each under 60 lines', () => {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
      const lines = readFileSync(path.join(folder, file), 'utf8').trimEnd().split('\n').length
      assert.ok(lines < 60, `${file} has ${lines}`)
    }
  })

  it('clients.ts: refused with a reason, trusted by path, by variable and by context (SEEDS C1, C3, C5, C6)', async () => {
    const printed = await run('clients.ts')
    assert.match(printed, /^untrusted-root: 127\.0\.0\.1:\d+: /)
    assert.match(printed, /^200 \{ path: '\/api' \}$/m)
    assert.match(printed, /REQUESTS_CA_BUNDLE: 1 certificate/)
    assert.match(printed, /^\{ path: '\/api\/1' \}\n\{ path: '\/api\/2' \}$/m)
  })

  it('trust-by-origin.ts: a bundle here, a pin there, and a change that holds at once', async () => {
    const printed = await run('trust-by-origin.ts')
    assert.match(printed, /^wiki true X25519MLKEM768\nprinter true X25519MLKEM768$/m)
    assert.match(printed, /pin: the profile https:\/\/127\.0\.0\.1:\d+/)
    assert.match(printed, /^key-mismatch: /m)
  })

  it('sign-in.ts: 401 without a credential, the secret with a cookie, 403 without the role (SEEDS A3, A5, A6)', async () => {
    const lines = (await run('sign-in.ts')).trim().split('\n')
    assert.deepEqual(lines, [
      '401',
      '401 Bearer realm="countersign"',
      "{ 'Secret-number': 42 }",
      '403',
    ])
  })

  it('sockets.ts: version, certificate as a dictionary, HTTP by hand (SEEDS T1, T3, T7, T8)', async () => {
    const printed = await run('sockets.ts')
    assert.match(printed, /^TLSv1\.3 TLS_AES_128_GCM_SHA256$/m)
    assert.match(printed, /subjectAltName: \[ \[ 'DNS', 'localhost' \] \]/)
    assert.match(printed, /^HTTP\/1\.0 200 OK\nContent-Type: text\/plain$/m)
  })

  it('three-ways.ts: HTTP, HTTPS and mutual TLS by two switches (SEEDS S1, S5, S6)', async () => {
    assert.equal(await run('three-ways.ts'), 'plain HTTP Top-level content\n\n')
    assert.equal(
      await run('three-ways.ts', { HTTPS_ENABLED: 'true' }),
      'TLSv1.3 Top-level content\n\n',
    )
    const mutual = await run('three-ways.ts', { HTTPS_ENABLED: 'true', VERIFY_USER: 'true' })
    assert.match(mutual, /^403 .*this server wants a client certificate, and none was presented/m)
    assert.match(mutual, /TLSv1\.3 Top-level content/)
  })
})
