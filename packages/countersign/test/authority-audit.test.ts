import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { initAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'

scrubProcess()

const folder = temporaryFolder(after)
const data = path.join(folder, 'data')

async function answerOf(...args: readonly string[]): Promise<unknown> {
  const { stdout, stderr, code } = await runProgram([...args, '--json', '--data', data], {
    cwd: folder,
  })
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

describe('the audit log', () => {
  before(async () => {
    mkdirSync(data, { mode: 0o700 })
    await using store = await openStore(`sqlite:${path.join(data, 'countersign.db')}`)
    await initAuthority({ store, folder: data })
  })

  it('has what the authority did from the command line, and is whole', async () => {
    await answerOf('issue', 'api.corp.internal')
    const rows = await answerOf('audit')
    assert.ok(Array.isArray(rows))
    assert.deepEqual(
      rows.map((row: { event: string }) => row.event),
      ['authority_key_opened', 'certificate_issued'],
    )
    const { detail }: { detail: Record<string, string> } = rows[1]
    assert.match(detail['subject'] ?? '', /^[0-9A-F]{32} api\.corp\.internal$/)
    assert.equal(detail['reason'], 'profile server, rule for operator')
    assert.notEqual(detail['name'] ?? '', '')
    const verdict = await answerOf('audit', 'verify')
    assert.ok(typeof verdict === 'object' && verdict !== null && 'rows' in verdict)
    assert.equal(verdict.rows, rows.length)
  })
})
