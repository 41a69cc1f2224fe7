import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { showFilm } from './rollover-film.ts'

scrubProcess()

describe('the rollover film', () => {
  it('has no handshake that fails, whatever is rolled over and whoever is killed', {
    timeout: 180_000,
  }, async (t) => {
    const data = path.join(temporaryFolder(t), 'data')
    const killed = 'after the commit'
    const figures = await showFilm({ data, clients: 3, servers: 2, handshakes: 1, killed })
    assert.deepEqual(figures.failures, [])
    assert.equal(figures.kills, 5)
    assert.ok(figures.handshakes >= 50)
  })
})
