import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Turns } from '../src/turns.ts'

describe('turns', () => {
  it('are taken one by one in the order of arrival, with everything else in between', async () => {
    const turns = new Turns()
    const seen: string[] = []
    const take = async (name: string): Promise<void> => {
      await turns.take()
      seen.push(name)
    }
    // Whatever else the event loop does: a turn of its own each time.
    const other = async (): Promise<void> => {
      for (let count = 0; count < 3; count++) {
        await new Promise((resolve) => setImmediate(resolve))
        seen.push('other')
      }
    }
    await Promise.all([take('a'), other(), take('b'), take('c')])
    assert.deepEqual(seen, ['a', 'other', 'b', 'other', 'c', 'other'])
  })

  it('begin anew once nobody waits, also for who has just gone on', async () => {
    const turns = new Turns()
    for (let count = 0; count < 3; count++) await turns.take()
    await Promise.all([turns.take(), turns.take().then(() => turns.take())])
  })
})
