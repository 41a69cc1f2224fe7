import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { scrubProcess, startCommand } from '@countersign/testkit'

scrubProcess()

describe('a worker whose first process was killed', {
  skip: process.platform === 'win32',
}, () => {
  it('ends at once, whatever its threads are at', { timeout: 120_000 }, async (test) => {
    const program = path.join(import.meta.dirname, 'worker-program.ts')
    const args = ['--conditions=@countersign/source', program]
    await using first = startCommand(process.execPath, args)
    const [, pid] = await first.waitForOutput(/^worker (\d+)$/m)
    // The signal comes at the end of every test, when the worker should be gone.
    test.signal.addEventListener('abort', () => endIfThere(Number(pid)))
    first.child.kill('SIGKILL')
    // Standard output is open for as long as either of the two lives.
    assert.equal((await first.ended).signal, 'SIGKILL')
  })
})

function endIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
