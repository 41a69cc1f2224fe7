import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import {
  launchBrowser,
  outsideTool,
  type Page,
  runCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  skipWithoutBrowser,
  temporaryFolder,
} from '@countersign/testkit'
import { appCode } from './app-code.ts'
import { PASSWORD, startUp } from './running-service.ts'

scrubProcess()

describe('the console of a running service', {
  skip: skipWithoutBrowser() || skipWithout('certutil'),
}, () => {
  it('makes the first administrator, lists what was issued, takes every factor, and signs in with them', {
    timeout: 120_000,
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
    const context = await browser.browser.newContext()
    const page = await context.newPage()
    page.setDefaultTimeout(30_000)
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

    // A code sets another password, in the place of the one that was forgotten.
    const reset = await runProgram(['user', 'reset', 'root', '--data', service.data])
    assert.equal(reset.code, 0, reset.stderr)
    const password = 'nine quiet lighthouses'
    await page.getByRole('link', { name: 'I have a one-time code' }).click()
    await page.getByLabel('One-time code').fill(reset.stdout.trim())
    await page.getByLabel('New password').first().fill(password)
    await page.getByRole('button', { name: 'Set the password' }).click()
    await page.getByText('The password is set.').waitFor()
    await signIn(page, password)

    // An app, whose first code comes from the secret that the page shows.
    await page.getByRole('link', { name: 'My account' }).click()
    await page.getByRole('link', { name: 'Authenticator app' }).click()
    await page.getByRole('button', { name: 'Show the secret' }).click()
    const secret = await page.locator('.secret code').first().innerText()
    await page.getByLabel('Code of your app').fill(appCode(secret.replaceAll(' ', '')))
    await page.getByRole('button', { name: 'Add the app' }).click()
    await page.getByText('Keep these recovery codes').waitFor()
    const [code = ''] = await page.locator('.codes code').allInnerTexts()

    // A passkey, which takes a proof of the factor there is by now.
    const tools = await context.newCDPSession(page)
    await tools.send('WebAuthn.enable')
    await tools.send('WebAuthn.addVirtualAuthenticator', { options: DEVICE })
    await page.getByRole('link', { name: 'Passkey' }).click()
    await page.getByRole('button', { name: 'Make a passkey' }).click()
    await page.getByRole('button', { name: 'Use a recovery code instead' }).click()
    await page.getByLabel('Recovery code').fill(code)
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText('“passkey” was added.').waitFor()

    // A certificate for the request that the page's own command makes.
    if (outsideTool('openssl') !== undefined) {
      await page.getByRole('link', { name: 'Client certificate' }).click()
      const command = await page.locator('.command code').innerText()
      const made = await runCommand('/bin/sh', ['-c', command], { cwd: folder })
      assert.equal(made.code, 0, made.stderr)
      await page.locator('input[type=file]').setInputFiles(path.join(folder, 'my.csr'))
      await page.getByText('my.csr was read.').waitFor()
      await page.getByRole('button', { name: 'Get the certificate' }).click()
      await page.getByRole('heading', { name: 'Your certificate' }).waitFor()
      const chain = await page.locator('.pem').textContent()
      assert.match(chain ?? '', /^\s*-----BEGIN CERTIFICATE-----/)
    }

    // Both ways with the passkey: after the password, and instead of it.
    await page.getByRole('button', { name: 'Sign out' }).click()
    await signIn(page, password)
    await page.getByRole('button', { name: 'Use a passkey instead' }).click()
    await page.getByRole('button', { name: 'Use the passkey' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Use a passkey' }).click()
    await page.getByText('api.corp.internal').first().waitFor()
  })
})

async function signIn(page: Page, password: string): Promise<void> {
  await page.getByLabel('User name').fill('root')
  await page.getByLabel(/^Password$/).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** One with passkeys, whose owner says yes to everything. */
const DEVICE = {
  protocol: 'ctap2',
  transport: 'internal',
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
}
