/**
 * Guessers against a running service, counted; how long others wait meanwhile is measured by `bench/guessers.ts`.
 */
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { Flood, signInAgain } from './guess-flood.ts'
import { addUser, signIn, startUp } from './running-service.ts'

scrubProcess()
const folder = temporaryFolder(after)

describe('sixteen who guess at one name, and one who goes over many', () => {
  it('are let try no more than the limits, and the owner signs in all the while', async () => {
    const data = path.join(folder, 'data')
    await using service = await startUp(data)
    await addUser(data, 'ada')
    await using owner = await signIn(service, 'ada')
    await using flood = await Flood.start(service)
    const guessed = flood.guess({ name: 'ada', network: 1, scattered: false, each: 62 })
    const state = { over: false }
    const ended = guessed.finally(() => {
      state.over = true
    })
    const statuses: number[] = []
    while (!state.over) statuses.push(await signInAgain(owner, 'ada'))
    const [sixteen = {}, one = {}] = await ended
    assert.deepEqual(sixteen, { 401: 10, 429: 16 * 62 - 10 })
    assert.deepEqual(one, { 401: 60, 429: 2 })
    assert.ok(statuses.length > 3)
    assert.deepEqual([...new Set(statuses)], [200])
  })
})
