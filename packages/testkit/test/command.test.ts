import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runCommand, runProgram, startCommand } from '../src/index.ts'

const node = process.execPath

describe('runCommand', () => {
  it('answers exit code, output and error output, and hands over input', async () => {
    const script = `process.stdin.on('data', (d) => process.stdout.write('<' + d + '>'));
      process.stdin.on('end', () => { console.error('note'); process.exitCode = 3 })`
    const result = await runCommand(node, ['-e', script], { input: 'hello' })
    assert.deepEqual(result, { code: 3, signal: null, stdout: '<hello>', stderr: 'note\n' })
  })

  it('rejects with the output when the time is over', async () => {
    const script = 'console.log("half"); setInterval(() => {}, 1000)'
    await assert.rejects(
      runCommand(node, ['-e', script], { timeoutMs: 4000 }),
      /did not end within 4000 ms\n--- stdout\nhalf/,
    )
  })

  it('rejects when there is no such program', async () => {
    await assert.rejects(runCommand('/nowhere/program', []), { code: 'ENOENT' })
  })
})

describe('startCommand', () => {
  it('waits for output, stops by a signal, and answers the exit code', async () => {
    const script = `process.on('SIGINT', () => process.exit(7));
      console.log('listening on 8443'); setInterval(() => {}, 1000)`
    await using running = startCommand(node, ['-e', script])
    const match = await running.waitForOutput(/listening on (\d+)/)
    assert.equal(match[1], '8443')
    assert.equal(await running.stop('SIGINT'), 7)
  })

  it('says what was printed when the program ends before the output', async () => {
    await using running = startCommand(node, ['-e', 'console.error("boom"); process.exit(2)'])
    await assert.rejects(
      running.waitForOutput('listening'),
      /ended with exit code 2 before it printed listening[^]*boom/,
    )
  })

  it('leaves no child behind when the process that started it is killed', async (t) => {
    if (process.platform === 'win32') return t.skip('needs /bin/sh')
    const script = `
      const { startCommand } = await import('@countersign/testkit')
      const running = startCommand(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
      console.log(running.child.pid)`
    const parent = spawn(
      node,
      ['--conditions=@countersign/source', '--input-type=module', '-e', script],
      { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const [chunk] = await once(parent.stdout, 'data')
    const pid = Number(String(chunk))
    assert.ok(isAlive(pid))
    parent.kill('SIGKILL')
    for (let tries = 0; tries < 1500 && isAlive(pid); tries++) await sleep(20)
    assert.equal(isAlive(pid), false)
  })
})

describe('runProgram', () => {
  it('runs the program from source without the home folder of a person', async () => {
    const { code, stdout, stderr } = await runProgram(['--help'])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /countersign/)
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
