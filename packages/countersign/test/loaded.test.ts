import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runProgram, scrubProcess, startProgram, temporaryFolder } from '@countersign/testkit'
import { pathToFileURL } from 'node:url'

scrubProcess()

const folder = temporaryFolder(after)
const data = path.join(folder, 'data')
const list = path.join(folder, 'loaded')
const spy = path.join(folder, 'spy.mjs')
const env = { NODE_OPTIONS: `--import=${pathToFileURL(spy).href}` }

/** Writes down at the end what was loaded on the way. */
const SPY = `
import { writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
const urls = []
registerHooks({
  load(url, context, next) {
    urls.push(url)
    return next(url, context)
  },
})
process.once('exit', () => writeFileSync(${JSON.stringify(list)}, urls.join('\\n')))
`

// The start of a command is for the most part the loading of what it imports: what it does not need it does not load.
describe('what a command loads', () => {
  before(() => {
    writeFileSync(spy, SPY)
  })

  it('issue: the authority and the store, and nothing of the web', async () => {
    assert.equal((await runProgram(['init', '--data', data])).code, 0)
    const args = ['issue', 'a.internal', '--data', data, '--out', folder]
    const { code, stderr } = await runProgram(args, { env })
    assert.equal(code, 0, stderr)
    const { packages, web } = loaded()
    assert.deepEqual(packages, [
      'authority',
      'commander',
      'core',
      'countersign',
      'kysely',
      'store',
      'x509',
    ])
    assert.deepEqual(web, [])
  })

  it('serve --adhoc: the server, and neither an authority nor a framework', async () => {
    const args = ['serve', folder, '--adhoc', '--listen', '127.0.0.1:0']
    await using program = startProgram(args, { env })
    await program.waitForOutput(/https:\/\/\S+:\d+/)
    assert.equal(await program.stop(), 0)
    assert.deepEqual(loaded().packages, [
      'commander',
      'core',
      'countersign',
      'server',
      'tls',
      'x509',
    ])
  })
})

/** The packages, ours and others', whose files were loaded, and what of Node they asked for that is for the web. */
function loaded(): { packages: string[]; web: string[] } {
  const urls = readFileSync(list, 'utf8').split('\n')
  const names = urls.flatMap((url) => {
    const [, other, own] =
      /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/|\/packages\/([^/]+)\//.exec(url) ?? []
    return other ?? own ?? []
  })
  return {
    packages: [...new Set(names)].toSorted((one, other) => (one < other ? -1 : 1)),
    web: urls.filter((url) => /^node:(?:http|https|http2|tls)$/.test(url)),
  }
}
