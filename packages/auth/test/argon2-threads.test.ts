import assert from 'node:assert/strict'
import { argon2Sync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { describe, it } from 'node:test'
import { runCommand, scrubProcess } from '@countersign/testkit'
import { Argon2Threads, sharedThreads } from '../src/argon2-threads.ts'
import { HashGate } from '../src/hash-gate.ts'
import { PasswordHasher } from '../src/password-hasher.ts'
import { DEFAULT_COST } from '../src/phc.ts'
import { PASSWORD, startService } from './service.ts'

scrubProcess()

const SALT = Buffer.from('0123456789abcdef')

describe('a hash on a thread of its own', () => {
  it('is the same as any other, whatever the password holds', async () => {
    await using threads = retained()
    for (const password of ['', 'pässword', '\0', 'half \ud83d of a character', 'x'.repeat(1024)]) {
      const tag = await threads.use.compute(password, SALT, DEFAULT_COST, 32)
      assert.deepEqual(Buffer.from(tag), expected(password))
    }
  })

  it('has as many threads as are busy at once, and gives them lower priority than requests', async (t) => {
    if (process.platform !== 'linux')
      return t.skip('a thread has a priority of its own on Linux only')
    const before = niceOfThreads()
    await using threads = retained()
    await Promise.all([1, 2].map(() => threads.use.compute(PASSWORD, SALT, DEFAULT_COST, 32)))
    const lowest = Math.min(19, getPriority() + 10)
    const lower = (list: number[]): number => list.filter((nice) => nice === lowest).length
    assert.equal(lower(niceOfThreads()) - lower(before), 2)
    assert.equal(getPriority(), lowest - 10)
  })

  it('keeps no process alive and ends with the last who retains it', async () => {
    const module = new URL('../src/argon2-threads.ts', import.meta.url).href
    const text = `const { Argon2Threads } = await import(${JSON.stringify(module)})
      const threads = new Argon2Threads()
      await threads.compute('a', Buffer.alloc(16), { memoryKib: 19456, passes: 2, lanes: 1 }, 32)
      console.log('computed')`
    const { code, stdout } = await runCommand(process.execPath, [
      ...process.execArgv,
      '--conditions=@countersign/source',
      '--input-type=module-typescript',
      '-e',
      text,
    ])
    assert.deepEqual([code, stdout.trim()], [0, 'computed'])
  })
})

describe('a thread that ends', () => {
  it('fails the hash it was at, and the next is computed by another', async () => {
    await using threads = retained(
      program(`
      parentPort.on('message', ({ password }) => {
        if (Buffer.from(password).toString() === 'crash') throw new Error('of this thread')
        parentPort.postMessage(new Uint8Array([7]))
      })`),
    )
    const compute = (password: string): Promise<Uint8Array> =>
      threads.use.compute(password, SALT, DEFAULT_COST, 32)
    assert.deepEqual(await compute('first'), new Uint8Array([7]))
    for (let count = 0; count < 2; count++) {
      await assert.rejects(compute('crash'), {
        code: 'hashing-failed',
        message: 'the thread that checks passwords has ended',
      })
      assert.deepEqual(await compute('next'), new Uint8Array([7]))
    }
  })

  it('fails nothing where it ended at rest', async () => {
    await using threads = retained(
      program(`
      parentPort.once('message', () => {
        parentPort.postMessage(new Uint8Array([7]))
        setImmediate(() => process.exit(3))
      })`),
    )
    for (let count = 0; count < 3; count++) {
      assert.deepEqual(await threads.use.compute('a', SALT, DEFAULT_COST, 32), new Uint8Array([7]))
      while (threads.use.size > 0) await new Promise((resolve) => setImmediate(resolve))
    }
  })

  it('before it has ever answered is no thread: the pool computes this hash and all others', async () => {
    for (const broken of [
      new URL('./no-such-file.ts', import.meta.url),
      program('throw new Error("at the start")'),
      program('parentPort.once("message", () => process.exit(0))'),
    ]) {
      await using threads = retained(broken)
      for (let count = 0; count < 2; count++) {
        const tag = await threads.use.compute('pässword', SALT, DEFAULT_COST, 32)
        assert.deepEqual(Buffer.from(tag), expected('pässword'))
      }
    }
  })

  it('gives its permit back', async () => {
    const crashing = new Argon2Threads(
      program(`
      let count = 0
      parentPort.on('message', () => {
        if (count++ > 0) process.exit(1)
        parentPort.postMessage(new Uint8Array(32))
      })`),
    )
    const gate = new HashGate({ permits: 1, queue: 8 })
    const hasher = await PasswordHasher.create(gate, DEFAULT_COST, crashing)
    assert.deepEqual(await hasher.check(PASSWORD, undefined), { matches: false })
    const all = await Promise.allSettled([1, 2, 3].map(() => hasher.check(PASSWORD, undefined)))
    assert.deepEqual(
      all.map((each) => (each.status === 'rejected' ? each.reason.code : each.status)),
      ['hashing-failed', 'fulfilled', 'hashing-failed'],
    )
    assert.deepEqual([gate.waiting, gate.isFull], [0, false])
    await hasher.close()
  })
})

describe('a service', () => {
  it('starts no thread before somebody signs in, and ends it when it closes', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'ada', password: PASSWORD })
    const before = sharedThreads().size
    await service.signIn('ada')
    assert.deepEqual([before, sharedThreads().size], [0, 1])
    await service.auth.close()
    assert.equal(sharedThreads().size, 0)
    await service.auth.close()
  })
})

function expected(message: string): Buffer {
  const { memoryKib: memory, passes, lanes: parallelism } = DEFAULT_COST
  return argon2Sync('argon2id', {
    message,
    nonce: SALT,
    memory,
    passes,
    parallelism,
    tagLength: 32,
  })
}

/** Threads that end with the test. */
function retained(url?: URL): { use: Argon2Threads } & AsyncDisposable {
  const use = new Argon2Threads(url)
  use.retain()
  return { use, [Symbol.asyncDispose]: () => use.release() }
}

/** The program of a thread. */
function program(text: string): URL {
  const whole = `import { parentPort } from 'node:worker_threads'\n${text}`
  return new URL(`data:text/javascript,${encodeURIComponent(whole)}`)
}

/** How nice each thread of this process is: the nineteenth field of its `stat`, in which the name may hold spaces. */
function niceOfThreads(): number[] {
  return readdirSync('/proc/self/task').map((id) => {
    const stat = readFileSync(`/proc/self/task/${id}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
  })
}
