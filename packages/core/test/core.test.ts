import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  checkOptions,
  closest,
  CoreError,
  CountersignError,
  parseDuration,
  problemResponse,
  waitFor,
} from '@countersign/core'

describe('checkOptions', () => {
  it('accepts what is known', () => {
    assert.doesNotThrow(() => {
      checkOptions({ verify: true }, ['verify'], 'get')
    })
  })

  it('refuses a misspelt option and says what was meant', () => {
    assert.throws(
      () => {
        checkOptions({ verfy: true }, ['verify', 'timeoutMs'], 'get')
      },
      (error) =>
        error instanceof CoreError &&
        error.code === 'option-unknown' &&
        error.message === 'get: unknown option "verfy"' &&
        error.hint === 'did you mean "verify"?',
    )
  })

  it('lists the known options where none is near', () => {
    assert.throws(
      () => {
        checkOptions({ colour: 1 }, ['ca', 'key'], 'serve')
      },
      (error) => error instanceof CoreError && error.hint === 'known options: ca, key',
    )
  })
})

describe('closest', () => {
  it('counts a swap of neighbours as one mistake and refuses what is far', () => {
    assert.equal(closest('isseu', ['issue', 'init']), 'issue')
    assert.equal(closest('frobnicate', ['issue', 'init']), undefined)
  })
})

describe('parseDuration', () => {
  it('reads every unit', () => {
    const read = ['5ms', '90s', '15m', '12h', '14d', '2w'].map((text) => parseDuration(text))
    assert.deepEqual(read, [5, 90_000, 900_000, 43_200_000, 1_209_600_000, 1_209_600_000])
  })

  it('refuses a number without a unit, a fraction and a negative one', () => {
    for (const text of ['14', '1.5h', '-1d', '', '1y', '9999999999999d']) {
      assert.throws(
        () => parseDuration(text),
        (error) => error instanceof CoreError && error.code === 'duration-invalid',
      )
    }
  })
})

describe('CountersignError', () => {
  it('becomes JSON with its facts and without stack and cause', () => {
    class Fault extends CountersignError<'fault'> {
      readonly file = 'a.pem'
    }
    const fault = new Fault('fault', 'cannot read a.pem', {
      hint: 'make it',
      cause: new Error('x'),
    })
    assert.deepEqual(JSON.parse(JSON.stringify(fault)), {
      code: 'fault',
      message: 'cannot read a.pem',
      hint: 'make it',
      file: 'a.pem',
    })
    assert.equal(fault.name, 'Fault')
  })
})

describe('waitFor', () => {
  it('answers what the work answers', async () => {
    assert.equal(await waitFor('work', { timeoutMs: 1000 }, () => Promise.resolve(7)), 7)
  })

  it('gives up at the time-out and tells the work', async () => {
    let told: AbortSignal | undefined
    await assert.rejects(
      waitFor('connect to nowhere', { timeoutMs: 5 }, (signal) => {
        told = signal
        return new Promise(() => {})
      }),
      (error) =>
        error instanceof CoreError &&
        error.code === 'wait-timeout' &&
        error.message === 'connect to nowhere: no answer within 5 ms',
    )
    assert.equal(told?.aborted, true)
  })

  it('gives up with its caller, before and during the wait', async () => {
    const controller = new AbortController()
    const during = waitFor('work', { signal: controller.signal }, () => new Promise(() => {}))
    controller.abort(new Error('enough'))
    for (const wait of [
      during,
      waitFor('work', { signal: controller.signal }, () => Promise.resolve(1)),
    ]) {
      await assert.rejects(
        wait,
        (error) => error instanceof CoreError && error.code === 'wait-aborted',
      )
    }
  })

  it('refuses a time-out that setTimeout would turn into 1 ms', async () => {
    for (const timeoutMs of [2 ** 31, -1, 1.5, Number.NaN]) {
      await assert.rejects(
        waitFor('work', { timeoutMs }, () => Promise.resolve(1)),
        (error) => error instanceof CoreError && error.code === 'option-invalid',
      )
    }
  })
})

describe('problemResponse', () => {
  it('is problem+json that no cache stores, and facts cannot overwrite the standard members', async () => {
    const response = problemResponse({
      status: 403,
      code: 'cross-site-request',
      detail: 'the request came from another site',
      facts: { status: 200, origin: 'https://other' },
      headers: { 'www-authenticate': 'Bearer' },
    })
    assert.equal(response.headers.get('content-type'), 'application/problem+json')
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.equal(response.headers.get('www-authenticate'), 'Bearer')
    assert.deepEqual(await response.json(), {
      type: 'urn:countersign:problem:cross-site-request',
      title: 'cross site request',
      status: 403,
      code: 'cross-site-request',
      detail: 'the request came from another site',
      origin: 'https://other',
    })
  })
})
