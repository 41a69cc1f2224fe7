import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { stopSignal } from '../src/stop-signal.ts'

scrubProcess()

/** By its types a signal comes without its number. */
const signals: NodeJS.EventEmitter = process
const TERM = 15
/** As `bin/below.js` tells what it heard from the process above. */
const PASSED_ON = 0

describe('stopSignal', () => {
  for (const [name, numbers, exits] of [
    ['one signal is told', [TERM], 0],
    ['one that was passed on is told', [PASSED_ON], 0],
    ['one that came both ways is one', [TERM, PASSED_ON], 0],
    ['a second one ends the process', [TERM, TERM], 1],
    ['a second one that was passed on ends the process', [PASSED_ON, PASSED_ON], 1],
    ['a second one that came both ways ends the process', [TERM, PASSED_ON, PASSED_ON, TERM], 2],
  ] as const) {
    it(name, async (t) => {
      const exit = t.mock.method(process, 'exit', (code: number) => {
        assert.equal(code, 1)
      })
      const stopped = stopSignal()
      for (const number of numbers) signals.emit('SIGTERM', 'SIGTERM', number)
      assert.equal(await stopped, 'SIGTERM')
      assert.equal(exit.mock.callCount(), exits)
      for (const signal of ['SIGINT', 'SIGTERM']) process.removeAllListeners(signal)
    })
  }
})
