import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import {
  outsidePython,
  outsideTool,
  requireTool,
  runCommand,
  skipWithout,
  skipWithoutPython,
} from '../src/index.ts'

describe('outsideTool', () => {
  it('answers an absolute path for what is there', () => {
    const file = outsideTool('node')
    assert.ok(file !== undefined && path.isAbsolute(file))
  })

  it('answers undefined for what is not', () => {
    assert.equal(outsideTool('no-such-program-anywhere'), undefined)
  })

  it('skips by name', () => {
    const skipped: (string | undefined)[] = []
    const t = { skip: (message?: string) => skipped.push(message) }
    assert.equal(requireTool(t, 'no-such-program-anywhere'), undefined)
    assert.deepEqual(skipped, ['needs no-such-program-anywhere'])
    assert.equal(skipWithout('node', 'no-such-a', 'no-such-b'), 'needs no-such-a, no-such-b')
    assert.equal(skipWithout('node'), false)
  })
})

describe('outsidePython', () => {
  const strict = { strict: true }

  it('finds one that verifies strictly', { skip: skipWithoutPython(strict) }, async () => {
    const script =
      'import ssl; print(bool(ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT))'
    const { stdout } = await runCommand(outsidePython(strict) ?? '', ['-c', script])
    assert.equal(stdout.trim(), 'True')
  })

  it('names the modules it misses', () => {
    assert.equal(
      skipWithoutPython({ modules: ['no_such_module'] }),
      'needs python3 with no_such_module',
    )
  })
})
