import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { get } from '@countersign/client'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { startUp } from './running-service.ts'

scrubProcess()

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
})
