import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import {
  launchBrowser,
  runProgram,
  scrubProcess,
  skipWithout,
  skipWithoutBrowser,
  temporaryFolder,
} from '@countersign/testkit'
import { PASSWORD, startUp } from './running-service.ts'

scrubProcess()

describe('the console of a running service', {
  skip: skipWithoutBrowser() || skipWithout('certutil'),
}, () => {
  it('makes the first administrator, lists what was issued, and signs out', {
    timeout: 90_000,
  }, async (t) => {
    const folder = temporaryFolder(t)
    await using service = await startUp(path.join(folder, 'data'))
    const issued = await runProgram([
      'issue',
      'api.corp.internal',
      '--data',
      service.data,
      '--out',
      folder,
    ])
    assert.equal(issued.code, 0, issued.stderr)
    await using browser = await launchBrowser({ roots: [readFileSync(service.roots, 'utf8')] })
    assert.ok(browser !== undefined)
    const page = await browser.browser.newPage()
    // The browser verifies the service's certificate against the root it was given: nothing is switched off.
    await page.goto(`${service.url}/console/`)
    await page.getByLabel('One-time code').fill(service.setupCode ?? '')
    await page.getByLabel('User name').fill('root')
    await page.getByLabel(/^Password$/).fill(PASSWORD)
    await page.getByRole('button', { name: 'Make the administrator' }).click()
    await page.getByText('api.corp.internal').first().waitFor()
    await page.getByRole('link', { name: 'Sessions' }).click()
    await page
      .getByText(/this one/i)
      .first()
      .waitFor()
    await page.getByRole('button', { name: 'Sign out', exact: true }).click()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
    await page.getByLabel('User name').fill('root')
    await page.getByLabel(/^Password$/).fill('not the password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').waitFor()
  })
})
