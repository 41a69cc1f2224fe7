import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { scrubEnvironment } from '../src/index.ts'

describe('scrubEnvironment', () => {
  it('leaves nothing that decides about trust, proxies or our own settings', () => {
    const dirty = {
      NODE_EXTRA_CA_CERTS: '/nowhere.pem',
      SSL_CERT_FILE: '/nowhere.pem',
      REQUESTS_CA_BUNDLE: '/nowhere.pem',
      AWS_CA_BUNDLE: '/nowhere.pem',
      https_proxy: 'http://127.0.0.1:1',
      HTTPS_PROXY: 'http://127.0.0.1:1',
      no_proxy: '*',
      NODE_OPTIONS: '--no-warnings',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      COUNTERSIGN_CA: '/nowhere.pem',
      HTTPS_ENABLED: 'true',
      API_PORT: '1',
      PGPASSWORD: 'x',
    }
    const script = `
      const { scrubEnvironment } = await import('@countersign/testkit')
      process.stdout.write(JSON.stringify(scrubEnvironment()))`
    const output = execFileSync(
      process.execPath,
      ['--conditions=@countersign/source', '--input-type=module', '-e', script],
      {
        env: { ...process.env, ...dirty },
        encoding: 'utf8',
        cwd: import.meta.dirname,
        stdio: 'pipe',
      },
    )
    const left = Object.keys(JSON.parse(output))
    assert.deepEqual(
      Object.keys(dirty).filter((name) => left.includes(name)),
      [],
    )
    assert.ok(left.includes('PATH'))
  })

  it('lays changes over the result: a value sets, undefined removes', () => {
    const environment = scrubEnvironment({ COUNTERSIGN_DATA: '/data', PATH: undefined })
    assert.equal(environment['COUNTERSIGN_DATA'], '/data')
    assert.equal('PATH' in environment, false)
  })

  it('does not change this process', () => {
    const before = { ...process.env }
    scrubEnvironment({ PATH: 'x' })
    assert.deepEqual({ ...process.env }, before)
  })
})

describe('scrubProcess', () => {
  it('takes back the roots Node read from NODE_EXTRA_CA_CERTS when it started', () => {
    const script = `
      const { getCACertificates } = await import('node:tls')
      const { scrubProcess } = await import('@countersign/testkit')
      process.env.HTTPS_PROXY = 'http://127.0.0.1:1'
      scrubProcess()
      const same = getCACertificates('default').length === getCACertificates('bundled').length
      console.log(same, process.env.NODE_EXTRA_CA_CERTS, process.env.HTTPS_PROXY)`
    const output = execFileSync(
      process.execPath,
      ['--conditions=@countersign/source', '--input-type=module', '-e', script],
      {
        env: { ...process.env, NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt' },
        encoding: 'utf8',
        cwd: import.meta.dirname,
        stdio: 'pipe',
      },
    )
    assert.equal(output.trim(), 'true undefined undefined')
  })
})
