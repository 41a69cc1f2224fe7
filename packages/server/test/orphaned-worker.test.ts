import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { scrubProcess, startCommand } from '@countersign/testkit'

scrubProcess()

describe('a worker whose first process was killed', {
  skip: process.platform === 'win32',
}, () => {
  it('ends at once, whatever its threads are at', { timeout: 30_000 }, async (test) => {
    const program = path.join(import.meta.dirname, 'worker-program.ts')
    const args = ['--conditions=@countersign/source', program]
    await using first = startCommand(process.execPath, args)
    const [, pid] = await first.waitForOutput(/^worker (\d+)$/m)
    test.signal.addEventListener('abort', () => process.kill(Number(pid), 'SIGKILL'))
    first.child.kill('SIGKILL')
    // Standard output is open for as long as either of the two lives.
    assert.equal((await first.ended).signal, 'SIGKILL')
  })
})
