import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { runCommand, scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { readLists } from '../src/list-reader.ts'

scrubProcess()

const folder = temporaryFolder(after)
const authority = testAuthority()
const serials = Array.from({ length: 20_000 }, (_, at) => (0x40_00_00 + at).toString(16))
const list = authority.crl({ revoked: serials })
const file = path.join(folder, 'long.crl')
writeFileSync(file, list.pem)

describe('reading revocation lists', () => {
  it('comes to the same on a thread as here', async () => {
    assert.ok(list.der.length > 256 * 1024)
    for (const input of [
      { data: list.der },
      { data: list.pem },
      { data: Buffer.from(list.pem) },
      { path: file, size: list.pem.length },
      // What is short is read here.
      { path: file, size: 1 },
    ]) {
      const [read, ...others] = await readLists(input, 'list', [authority.issuer, authority.root])
      assert.ok(read !== undefined && others.length === 0)
      assert.equal(read.sha256, list.fingerprint)
      assert.equal(read.list.size, 20_000)
      assert.ok(read.list.has(serials.at(-1) ?? '') && !read.list.has('01'))
      assert.ok(read.isIssuedBy(authority.issuer) && !read.isIssuedBy(authority.root))
      assert.ok(!read.isIssuedBy(testAuthority().issuer))
    }
  })

  it('goes on here where there can be no thread', async () => {
    const reader = new URL('../src/list-reader.ts', import.meta.url).href
    const program = `
      import { readLists } from ${JSON.stringify(reader)}
      const lists = await readLists({ path: ${JSON.stringify(file)}, size: 1e6 }, 'list', [])
      let refused = ''
      try {
        const { Worker } = await import('node:worker_threads')
        new Worker('0', { eval: true })
      } catch (error) {
        refused = error.code
      }
      console.log(lists[0].list.size, refused)
    `
    // The permission model of Node denies threads where it is not told otherwise.
    const { code, stdout, stderr } = await runCommand(process.execPath, [
      '--permission',
      '--allow-fs-read=*',
      '--allow-addons',
      '--conditions=@countersign/source',
      '--disable-warning=ExperimentalWarning',
      '--disable-warning=SecurityWarning',
      '--input-type=module',
      '--eval',
      program,
    ])
    assert.equal(code, 0, stderr)
    assert.equal(stdout.trim(), '20000 ERR_ACCESS_DENIED')
  })

  it('says what is wrong with a long file, and with none', async () => {
    const broken = list.der.slice(0, -1)
    await assert.rejects(readLists({ data: broken }, 'list', []), { code: 'crl-malformed' })
    // Many lists that are none cost the thread its time, and nobody else.
    const many = '-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n'.repeat(10_000)
    await assert.rejects(readLists({ data: many }, 'list', []), {
      code: 'crl-malformed',
      message: /^list: .*missing/,
    })
    const nowhere = path.join(folder, 'nowhere.crl')
    await assert.rejects(readLists({ path: nowhere, size: 1e6 }, 'list', []), { code: 'ENOENT' })
  })
})
