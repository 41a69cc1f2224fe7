import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createAuthority, writeIdentity } from '@countersign/authority'
import { CountersignError } from '@countersign/core'
import { openStore } from '@countersign/store'
import { runProgram, scrubProcess, startProgram, temporaryFolder } from '@countersign/testkit'
import { buildCertificate, Certificate, Name, PrivateKey } from '@countersign/x509'
import {
  type DaemonParts,
  dueTime,
  LONGEST_WAIT_MS,
  RETRY_LADDER_MS,
  runDaemon,
} from '../src/renew-daemon.ts'

scrubProcess()

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const START = new Date('2026-01-01T00:00:00Z').getTime()

const key = PrivateKey.generateSync('p256')
function certificate(from: number, lifeMs: number): Certificate {
  const name = Name.from({ commonName: 'api.corp.internal' })
  return buildCertificate(
    {
      subject: name,
      issuer: name,
      publicKey: key.publicKey,
      notBefore: new Date(from),
      notAfter: new Date(from + lifeMs),
      subjectAltNames: [{ type: 'dns', value: 'api.corp.internal' }],
    },
    key.signer(),
  )
}

/** A world where waiting moves the clock, and every step is written down. */
class World {
  now = START
  present = certificate(START, 24 * HOUR_MS)
  readonly waits: number[] = []
  readonly notes: string[] = []
  readonly told: Certificate[] = []
  renewals: number[] = []
  /** Thrown by the next renewals, one each. */
  faults: Error[] = []
  tellFaults: Error[] = []
  lifeMs = 24 * HOUR_MS
  readonly #stop = new AbortController()
  readonly #until: (world: World) => boolean

  constructor(until: (world: World) => boolean) {
    this.#until = until
  }

  async run(more: Partial<DaemonParts> = {}): Promise<number> {
    return await runDaemon(
      {
        read: async () => this.present,
        renew: async () => {
          const fault = this.faults.shift()
          if (fault !== undefined) throw fault
          this.renewals.push(this.now)
          this.present = certificate(this.now, this.lifeMs)
          return this.present
        },
        tell: async (renewed) => {
          const fault = this.tellFaults.shift()
          if (fault !== undefined) throw fault
          this.told.push(renewed)
        },
        clock: () => new Date(this.now),
        wait: async (ms) => {
          this.waits.push(ms)
          this.now += ms
          if (this.waits.length > 1000) throw new Error('it never ends')
          if (this.#until(this)) this.#stop.abort('enough')
        },
        note: (text) => this.notes.push(text),
        random: () => 0.5,
        ...more,
      },
      this.#stop.signal,
    )
  }
}

/** A window as an issuer suggests it, in hours. */
function suggestion(from: number, to: number, holds = 6) {
  return {
    start: START + from * HOUR_MS,
    end: START + to * HOUR_MS,
    holdsMs: holds * HOUR_MS,
  }
}

describe('the renewal daemon', () => {
  it('renews at two thirds of the life and up to a twentieth later, again and again', async () => {
    const world = new World(({ renewals }) => renewals.length === 3)
    assert.equal(await world.run(), 3)
    const due = (16 + 24 / 40) * HOUR_MS
    assert.deepEqual(
      world.renewals,
      [1, 2, 3].map((times) => START + times * due),
    )
    assert.equal(world.told.length, 3)
    assert.ok(world.waits.every((ms) => ms > 0 && ms <= LONGEST_WAIT_MS))
  })

  it('spreads what would come together, and never waits beyond that', () => {
    const one = certificate(START, 30 * HOUR_MS)
    assert.equal(dueTime(one, 0) - START, 20 * HOUR_MS)
    assert.equal(dueTime(one, 1) - START, 21.5 * HOUR_MS)
  })

  it('climbs a ladder where it fails, and comes down again', async () => {
    const world = new World(({ renewals }) => renewals.length === 1)
    world.present = certificate(START - 20 * HOUR_MS, 24 * HOUR_MS)
    world.faults = Array.from({ length: 10 }, () => new Error('the database is away'))
    await world.run()
    assert.deepEqual(world.waits.slice(0, 10), [
      ...RETRY_LADDER_MS,
      ...[1, 2].map(() => RETRY_LADDER_MS.at(-1)),
    ])
    assert.match(world.notes[1] ?? '', /^the database is away; next try in 1 min$/)
  })

  it('goes on after the certificate has ended', async () => {
    const world = new World(({ renewals }) => renewals.length === 1)
    world.present = certificate(START - 100 * HOUR_MS, 24 * HOUR_MS)
    assert.equal(await world.run(), 1)
    assert.deepEqual(world.renewals, [START])
  })

  it('does not loop over a certificate that is due as it is made', async () => {
    const world = new World(({ waits }) => waits.length === 5)
    world.present = certificate(START - 24 * HOUR_MS, 24 * HOUR_MS)
    world.lifeMs = 0
    await world.run()
    for (let index = 1; index < world.renewals.length; index++) {
      assert.ok((world.renewals[index] ?? 0) - (world.renewals[index - 1] ?? 0) >= MINUTE_MS)
    }
    assert.ok(world.notes.some((note) => note.includes('due already')))
  })

  it('leaves alone what somebody else has renewed', async () => {
    const world = new World(({ waits }) => waits.length === 30)
    let reads = 0
    const read = async (): Promise<Certificate> => {
      // A minute before it would be due.
      if (++reads === 16) world.present = certificate(world.now, 24 * HOUR_MS)
      return world.present
    }
    assert.equal(await world.run({ read }), 0)
  })

  it('notices a clock that is set forward by a day, and one that is set back', async () => {
    const world = new World(({ renewals, waits }) => {
      if (waits.length === 3) world.now += 24 * HOUR_MS
      return renewals.length === 1
    })
    await world.run()
    // Three hours of waiting and the day: no hour more.
    assert.deepEqual(world.renewals, [START + 27 * HOUR_MS])
    const back = new World(({ renewals }) => renewals.length === 1)
    back.now = START - 24 * HOUR_MS
    await back.run()
    assert.ok((back.renewals[0] ?? 0) >= START + 16 * HOUR_MS)
  })

  it('tells again where telling failed, without renewing again', async () => {
    const world = new World(({ told }) => told.length === 1)
    world.present = certificate(START - 20 * HOUR_MS, 24 * HOUR_MS)
    world.tellFaults = [new Error('nginx is gone'), new Error('nginx is gone')]
    assert.equal(await world.run(), 1)
    assert.deepEqual(world.waits.slice(0, 2), RETRY_LADDER_MS.slice(0, 2))
  })

  it('ends where no later try could help', async () => {
    for (const code of ['certificate-revoked', 'certificate-unknown', 'usage']) {
      const world = new World(() => false)
      world.present = certificate(START - 20 * HOUR_MS, 24 * HOUR_MS)
      world.faults = [new CountersignError(code, 'never')]
      await assert.rejects(world.run(), { code })
      assert.deepEqual(world.waits, [])
    }
  })

  describe('with an issuer that suggests when', () => {
    it('renews within the window, and asks again when the answer is old', async () => {
      const world = new World(({ renewals }) => renewals.length === 1)
      const asked: number[] = []
      const answer = async () => {
        asked.push((world.now - START) / HOUR_MS)
        return world.renewals.length > 0 ? suggestion(90, 91) : suggestion(7, 9)
      }
      await world.run({ window: answer })
      assert.deepEqual(world.renewals, [START + 8 * HOUR_MS])
      assert.deepEqual(asked.slice(0, 2), [0, 6])
      assert.match(
        world.notes[0] ?? '',
        /^due at 2026-01-01T08:00:00.000Z, as its issuer suggests,/,
      )
      // The same answer once more is no news.
      assert.match(world.notes[1] ?? '', /^renewed: /)
    })

    it('renews early where the suggestion changes: the certificate was revoked', async () => {
      const world = new World(({ renewals }) => renewals.length === 1)
      const answer = async () =>
        world.now < START + 3 * HOUR_MS ? suggestion(16, 20, 1) : suggestion(1, 2)
      await world.run({ window: answer })
      assert.deepEqual(world.renewals, [START + 3 * HOUR_MS])
    })

    it('renews at two thirds where the issuer cannot be asked, and asks again', async () => {
      const world = new World(({ renewals }) => renewals.length === 1)
      let asked = 0
      const answer = async () => {
        asked++
        throw new Error('the server is away')
      }
      await world.run({ window: answer })
      assert.deepEqual(world.renewals, [START + (16 + 24 / 40) * HOUR_MS])
      assert.ok(asked > 10 && asked < 20, String(asked))
      assert.match(world.notes[0] ?? '', /^the server is away; asked again within the hour/)
    })

    it('stays with what was suggested before while the issuer is away', async () => {
      const world = new World(({ renewals }) => renewals.length === 1)
      const answer = async () => {
        if (world.now > START) throw new Error('the server is away')
        return suggestion(4, 6, 1)
      }
      await world.run({ window: answer })
      assert.deepEqual(world.renewals, [START + 5 * HOUR_MS])
    })

    it('keeps the last tenth of the life, whatever is suggested', async () => {
      const world = new World(({ renewals }) => renewals.length === 1)
      await world.run({ window: async () => suggestion(1000, 1001) })
      assert.deepEqual(world.renewals, [START + 24 * 0.9 * HOUR_MS])
    })

    it('climbs the ladder where the issuer wants every certificate renewed at once', async () => {
      const world = new World(({ waits }) => waits.length === 6)
      await world.run({ window: async () => suggestion(-2, -1) })
      assert.deepEqual(world.waits, RETRY_LADDER_MS.slice(0, 6))
      assert.equal(world.renewals.length, 6)
    })

    it('asks again where the clock was set back by a day', async () => {
      const world = new World(({ renewals, waits }) => {
        if (waits.length === 2) world.now -= 24 * HOUR_MS
        return renewals.length === 1
      })
      const asked: number[] = []
      const answer = async () => {
        asked.push((world.now - START) / HOUR_MS)
        return suggestion(-1, 1, 24)
      }
      world.present = certificate(START - HOUR_MS, 24 * HOUR_MS)
      world.now = START - 2 * HOUR_MS
      await world.run({ window: answer })
      assert.deepEqual(asked.slice(0, 2), [-2, -24])
    })
  })

  it('stops at once where it is told to while it waits', async () => {
    const stop = new AbortController()
    const { promise, resolve } = Promise.withResolvers<void>()
    const world = new World(() => false)
    const running = runDaemon(
      {
        read: async () => world.present,
        renew: async () => assert.fail('nothing is due'),
        tell: async () => assert.fail('there is nothing to tell'),
        clock: () => new Date(START),
        wait: async (_ms, signal) => {
          resolve()
          await new Promise((_done, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason))
          })
        },
        note: () => {},
      },
      stop.signal,
    )
    await promise
    stop.abort('SIGTERM')
    assert.equal(await running, 0)
  })
})

function leafOf(file: string): Certificate | undefined {
  return Certificate.parseAll(readFileSync(file, 'utf8'))[0]
}

describe('countersign renew --daemon and --exec', () => {
  const folder = temporaryFolder(after)
  const data = path.join(folder, 'data')
  before(() => {
    mkdirSync(data, { mode: 0o700 })
  })

  /** A certificate that was issued 40 hours ago for 48. */
  async function dueFile(name: string): Promise<string> {
    await using store = await openStore(`sqlite:${path.join(data, 'countersign.db')}`)
    const authority = await createAuthority({
      store,
      folder: data,
      clock: () => new Date(Date.now() - 40 * HOUR_MS),
    })
    const issued = await authority.issue({
      names: [name],
      publicKey: key.publicKey,
      profile: 'server',
      days: 2,
      requester: 'test',
    })
    const { certificate: file } = await writeIdentity(path.join(folder, name), name, issued, {
      key,
      roots: authority.roots,
    })
    return file
  }

  it('renews what is due, runs the command with the facts, and stops when it is told to', async () => {
    const file = await dueFile('api.test')
    const old = leafOf(file)
    const told = path.join(folder, 'told')
    const hook = path.join(folder, 'hook.mjs')
    writeFileSync(
      hook,
      `import { appendFileSync } from 'node:fs'
const { COUNTERSIGN_CERT_FILE: file, COUNTERSIGN_SERIAL: serial } = process.env
appendFileSync(${JSON.stringify(told)}, file + ' ' + serial + '\\n')
console.log('reloaded')\n`,
    )
    const exec = `"${process.execPath}" "${hook}"`
    const args = ['renew', file, '--daemon', '--exec', exec, '--data', data]
    await using daemon = startProgram(args)
    await daemon.waitForOutput(/reloaded[^]*due at/)
    const renewed = leafOf(file)
    assert.notEqual(renewed?.serialNumber, old?.serialNumber)
    assert.equal(readFileSync(told, 'utf8'), `${file} ${renewed?.serialNumber}\n`)
    // It looks again, finds nothing due, and stays.
    daemon.child.kill('SIGHUP')
    const code = await daemon.stop('SIGTERM')
    assert.equal(code, 0)
    assert.match(daemon.stderr(), /SIGTERM: stopping after 1 renewal\n/)
    assert.equal(daemon.stdout(), '')
    assert.equal(leafOf(file)?.serialNumber, renewed?.serialNumber)
  })

  it('ends with the fault where the certificate was revoked', async () => {
    const file = await dueFile('revoked.test')
    assert.equal((await runProgram(['revoke', file, '--data', data], {})).code, 0)
    const { code, stderr } = await runProgram(['renew', file, '--daemon', '--data', data], {})
    assert.equal(code, 1)
    assert.match(stderr, /was revoked at/)
  })

  it('says that the command failed after a renewal that did not', async () => {
    const file = await dueFile('once.test')
    const old = leafOf(file)
    const args = ['renew', file, '--data', data, '--exec', 'exit 7']
    const { code, stdout, stderr } = await runProgram(args, {})
    assert.equal(code, 1)
    assert.equal(stdout, `${file}\n`)
    assert.match(stderr, /the certificate is renewed, but "exit 7" ended with 7/)
    assert.notEqual(leafOf(file)?.serialNumber, old?.serialNumber)
  })

  it('has no JSON to print for ever', async () => {
    const file = await dueFile('json.test')
    const args = ['renew', file, '--daemon', '--json', '--data', data]
    assert.equal((await runProgram(args, {})).code, 2)
  })
})
