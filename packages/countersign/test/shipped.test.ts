import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { describe, it } from 'node:test'
import { get } from '@countersign/client'
import { outsideTool, runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { fileURLToPath } from 'node:url'
import { startUp } from './running-service.ts'

scrubProcess()

const bin = fileURLToPath(new URL('../bin/countersign.js', import.meta.url))

describe('the shipped program', () => {
  it('runs the service', async (t) => {
    await using service = await startUp(path.join(temporaryFolder(t), 'data'), [], {
      shipped: true,
    })
    const response = await get(`${service.url}/console/`, { ca: service.roots })
    assert.equal(response.status, 200)
    await response.bytes()
    assert.equal(await service.command.stop('SIGTERM'), 0)
  })

  it('makes an authority and issues, without type stripping', async (t) => {
    const folder = temporaryFolder(t)
    const data = path.join(folder, 'data')
    assert.equal((await runProgram(['init', '--data', data], { shipped: true })).code, 0)
    const { code, stderr } = await runProgram(
      ['issue', 'a.internal', '--data', data, '--out', folder],
      {
        shipped: true,
      },
    )
    assert.equal(code, 0, stderr)
  })

  it('finds its own Node when an older one starts it', (t) => {
    const old = ['/usr/local/bin/node', '/usr/bin/node', outsideTool('node')].find((file) => {
      const major = file === undefined ? 24 : majorOf(file)
      return major !== undefined && major < 24
    })
    if (old === undefined) {
      t.skip('needs a Node older than 24')
      return
    }
    const version = execFileSync(old, [bin, '--version'], { encoding: 'utf8' })
    assert.match(version, /^\d+\.\d+\.\d+\n$/)
  })
})

/** The major version of a Node, or `undefined` where there is none. */
function majorOf(file: string): number | undefined {
  try {
    const version = execFileSync(file, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return Number(/^v(\d+)/.exec(version)?.[1])
  } catch {
    return undefined
  }
}
