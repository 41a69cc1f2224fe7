import assert from 'node:assert/strict'
import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { serve, serveFolder } from '@countersign/server'
import { requireTool, runCommand, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { openInside } from '../src/folder-path.ts'
import { ask, openTcp, talk } from './support.ts'

scrubProcess()

const base = temporaryFolder(after)
const root = path.join(base, 'site')
mkdirSync(path.join(root, 'sub', '.hidden'), { recursive: true })
mkdirSync(path.join(root, '.well-known', '.secret'), { recursive: true })
mkdirSync(path.join(base, 'site-secret'))
for (const name of [
  'index.html',
  'sub/index.html',
  'file.txt',
  'dot..dot',
  'späth.txt',
  '%2e%2e',
]) {
  writeFileSync(path.join(root, name), 'PUBLIC')
}
writeFileSync(path.join(root, '.well-known', 'security.txt'), 'PUBLIC')
writeFileSync(path.join(root, '.well-known', '.secret', 'a'), 'SECRET')
writeFileSync(path.join(root, '.env'), 'SECRET')
writeFileSync(path.join(root, 'sub', '.hidden', 'a.txt'), 'SECRET')
writeFileSync(path.join(base, 'secret.txt'), 'SECRET')
writeFileSync(path.join(base, 'site-secret', 'secret.txt'), 'SECRET')
symlinkSync(path.join(root, 'file.txt'), path.join(root, 'inside.txt'))
symlinkSync('sub', path.join(root, 'sub-link'))
symlinkSync(path.join(base, 'secret.txt'), path.join(root, 'outside.txt'))
symlinkSync('../secret.txt', path.join(root, 'relative.txt'))
symlinkSync(path.join(base, 'site-secret'), path.join(root, 'sibling'))
symlinkSync('/', path.join(root, 'all'))
symlinkSync('/proc/self', path.join(root, 'process'))
symlinkSync('/dev/zero', path.join(root, 'zero'))
symlinkSync(path.join(root, '.env'), path.join(root, 'env.txt'))
symlinkSync('nowhere', path.join(root, 'dangling'))
symlinkSync('circle', path.join(root, 'circle'))

/** What a client may write after GET, and the status that it gets; nothing but 200 is a file. */
const rows: [target: string, status: number][] = [
  ['/', 200],
  ['/file.txt', 200],
  ['/%66ile.txt', 200],
  ['/sub/', 200],
  ['/sub-link/', 200],
  ['/inside.txt', 200],
  ['/dot..dot', 200],
  ['/sp%C3%A4th.txt', 200],
  ['/%252e%252e', 200],
  ['/.well-known/security.txt', 200],
  ['/sub', 308],
  ['/sub/../file.txt', 404],
  ['/../secret.txt', 404],
  ['/../../../../../../etc/passwd', 404],
  ['/sub/../../secret.txt', 404],
  ['/./file.txt', 404],
  ['/%2e%2e/secret.txt', 404],
  ['/%2E%2E/secret.txt', 404],
  ['/.%2e/secret.txt', 404],
  ['/%2e./secret.txt', 404],
  ['/..%2fsecret.txt', 404],
  ['/..%2Fsecret.txt', 404],
  ['/sub%2f..%2f..%2fsecret.txt', 404],
  ['/sub%2findex.html', 404],
  ['/..%5csecret.txt', 404],
  ['/..\\secret.txt', 404],
  ['/%5c..%5c..%5csecret.txt', 404],
  ['/%252e%252e/secret.txt', 404],
  ['/%252e%252e%252fsecret.txt', 404],
  ['/%25252e%25252e/secret.txt', 404],
  ['/%c0%ae%c0%ae/secret.txt', 404],
  ['/%e0%80%ae%e0%80%ae/secret.txt', 404],
  ['/..%c0%afsecret.txt', 404],
  ['/..%ef%bc%8fsecret.txt', 404],
  ['/%uff0e%uff0e/secret.txt', 404],
  ['/%', 404],
  ['/%zz', 404],
  ['/%ff', 404],
  ['/file.txt%00', 404],
  ['/file.txt%00.html', 404],
  ['/%00', 404],
  ['//etc/passwd', 404],
  ['//file.txt', 404],
  ['/sub//index.html', 404],
  ['///', 404],
  ['/file.txt/', 404],
  ['/file.txt/..', 404],
  ['/file.txt.', 404],
  ['/file.txt...', 404],
  ['/file.txt%20', 404],
  ['/FILE.TXT', process.platform === 'linux' ? 404 : 200],
  ['/.env', 404],
  ['/%2eenv', 404],
  ['/.ENV', 404],
  ['/sub/.hidden/a.txt', 404],
  ['/sub/.hidden/', 404],
  ['/.well-known/.secret/a', 404],
  ['/sub/.well-known/a', 404],
  ['/env.txt', 404],
  ['/outside.txt', 404],
  ['/relative.txt', 404],
  ['/sibling/secret.txt', 404],
  ['/sibling/', 404],
  ['/sibling', 404],
  ['/all/etc/passwd', 404],
  ['/all', 404],
  ['/process/environ', 404],
  ['/zero', 404],
  ['/dangling', 404],
  ['/circle', 404],
  ['/circle/a', 404],
  [`/${'a'.repeat(5000)}`, 404],
  [`/${'a/'.repeat(3000)}`, 404],
  ['/...', 404],
  ['/....//secret.txt', 404],
  ['/..;/secret.txt', 404],
  ['/sub/..;a/secret.txt', 404],
  ['/~root/', 404],
  ['/C:/Windows/win.ini', 404],
  ['/file.txt::$DATA', 404],
  ['/aux', 404],
  ['/proc/self/environ', 404],
  ['file.txt', 400],
  ['*', 404],
]

describe('a path of a folder', () => {
  const running = serve(serveFolder(root))
  after(async () => (await running).close())

  for (const [target, status] of rows) {
    const name = target.length > 60 ? `${target.slice(0, 20)}… of ${target.length}` : target
    it(`GET ${JSON.stringify(name)} is ${status}`, async () => {
      const socket = await openTcp((await running).port)
      const text = await talk(
        socket,
        `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      )
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.doesNotMatch(text, /SECRET|root:x|HOSTNAME=/)
      if (status === 200) assert.match(text, /PUBLIC$/)
    })
  }

  it('in absolute form leads nowhere else', async () => {
    for (const target of [
      'http://a/../secret.txt',
      'http://a/%2e%2e/secret.txt',
      'file:///etc/passwd',
    ]) {
      const socket = await openTcp((await running).port)
      const text = await talk(
        socket,
        `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      )
      assert.match(text, /^HTTP\/1\.1 (400|404) /)
      assert.doesNotMatch(text, /SECRET|root:x/)
    }
  })

  it('shows hidden names where it is told to, and nothing else', async () => {
    await using open = await serve(serveFolder(root, { hidden: true }))
    assert.equal((await ask(`${open.url}/.env`)).body, 'SECRET')
    assert.equal((await ask(`${open.url}/env.txt`)).body, 'SECRET')
    for (const target of ['/outside.txt', '/sibling/secret.txt', '/%2e%2e/secret.txt', '/zero']) {
      assert.equal((await ask(`${open.url}${target}`)).status, 404, target)
    }
  })

  it('that leads to a pipe or a socket is nothing', async (t) => {
    const mkfifo = requireTool(t, 'mkfifo')
    if (mkfifo === undefined) return
    await runCommand(mkfifo, [path.join(root, 'pipe')])
    const listener = createServer()
    const short = path.join(root, 's')
    await new Promise<void>((resolve) => listener.listen(short, resolve))
    t.after(() => listener.close())
    for (const target of ['/pipe', '/s']) {
      assert.equal((await ask(`${(await running).url}${target}`)).status, 404, target)
    }
  })

  it('is judged by the file that was opened, however often a link is swapped', async () => {
    const swapped = path.join(root, 'swapped.txt')
    const targets = ['file.txt', path.join(base, 'secret.txt'), '.env']
    const seen = new Set<string>()
    symlinkSync('file.txt', swapped)
    const first = await openInside({ root, hidden: false }, swapped)
    assert.equal(await first?.handle.readFile('utf8'), 'PUBLIC')
    await first?.handle.close()
    const over = new AbortController()
    const swap = async (): Promise<void> => {
      for (let turn = 0; !over.signal.aborted; turn++) {
        symlinkSync(targets[turn % targets.length] ?? '', `${swapped}.new`)
        renameSync(`${swapped}.new`, swapped)
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      }
    }
    const swapping = swap()
    for (let each = 0; each < 400; each++) {
      const found = await openInside({ root, hidden: false }, swapped)
      if (found === undefined) continue
      seen.add(await found.handle.readFile('utf8'))
      await found.handle.close()
    }
    over.abort()
    await swapping
    unlinkSync(swapped)
    assert.ok(!seen.has('SECRET'))
  })
})
