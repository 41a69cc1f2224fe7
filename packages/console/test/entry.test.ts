import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { scrubProcess, skipWithoutBrowser, temporaryFolder } from '@countersign/testkit'
import { APP, APP_CODE, CODES, RECOVERY_CODE } from './factor-service.ts'
import { addAuthenticator, consoleTests, seeScreen, signIn } from './pages.ts'

scrubProcess()

describe('the ways into the console', { skip: skipWithoutBrowser() }, () => {
  const { service: at, open } = consoleTests(path.join(temporaryFolder({ after }), 'static'))

  it('signs in with a second factor, by the way that is chosen, and begins again when it took too long', async () => {
    at().state.factors = [APP, CODES]
    await using opened = await open('')
    const { page, complaints } = opened
    await signIn(page)
    await seeScreen(page, 'One more step')
    assert.equal(await page.evaluate('document.activeElement.name'), 'code')
    await page.getByLabel('Code of your app').fill('999999')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('The code or proof is wrong, used or too old.').waitFor()
    await page.getByRole('button', { name: 'Use a recovery code instead' }).click()
    await page.getByLabel('Recovery code').fill(RECOVERY_CODE)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await seeScreen(page, 'Certificates')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await signIn(page)
    await seeScreen(page, 'One more step')
    const body = '{"code":"challenge-invalid","detail":"this sign-in is done, or too old"}'
    at().state.failure = { status: 401, body, type: 'application/problem+json' }
    await page.getByLabel('Code of your app').fill(APP_CODE)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('This sign-in is done, or too old. Begin again.').waitFor()
    assert.deepEqual(complaints, [])
  })

  it('leads whoever lacks the second factor that the service asks for to adding and proving one', async () => {
    at().state.wantsSecondFactor = true
    await using opened = await open('')
    const { page, complaints } = opened
    await signIn(page)
    await seeScreen(page, 'My account')
    await page.getByText('until then nothing else can be done here').waitFor()
    await page.getByRole('link', { name: 'Authenticator app' }).click()
    await page.getByRole('button', { name: 'Show the secret' }).click()
    await page.getByLabel('Code of your app').fill(APP_CODE)
    await page.getByRole('button', { name: 'Add the app' }).click()
    await page.getByRole('button', { name: 'I have kept them' }).click()
    await page.getByRole('button', { name: 'Prove it' }).click()
    await page.getByLabel('Code of your app').fill(APP_CODE)
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText('everything is open to you').waitFor()
    await page.getByRole('link', { name: 'Certificates' }).click()
    await page.getByText('No certificates yet').waitFor()
    assert.deepEqual(complaints, [])
  })

  it('notices when it is looked at again that another tab has signed out, or somebody else in', async () => {
    at().state.users.set('bob', 'correct horse battery staple')
    await using opened = await open('#/account')
    const { context, page, complaints } = opened
    await signIn(page)
    await page.getByText('alice, role admin').waitFor()
    const other = await context.newPage()
    other.setDefaultTimeout(30_000)
    await other.goto(page.url())
    await other.getByRole('button', { name: 'Sign out' }).click()
    await signIn(other, undefined, 'bob')
    await seeScreen(other, 'Certificates')
    await page.evaluate(LOOK)
    await seeScreen(page, 'Certificates')
    assert.match(await page.locator('.who').innerText(), /bob/)
    await other.getByRole('button', { name: 'Sign out' }).click()
    await seeScreen(other, 'Sign in')
    await page.evaluate(LOOK)
    await page.getByText('Your session has ended. Sign in to go on.').waitFor()
    assert.deepEqual(complaints, [])
  })

  it('makes a passkey, proves with it, and signs in with it alone', async () => {
    at().state.isFresh = false
    // A passkey belongs to a name.
    const baseURL = at().url.replace('127.0.0.1', 'localhost')
    await using opened = await open('#/account/passkey', { baseURL })
    const { page, complaints } = opened
    await signIn(page)
    await page.getByRole('button', { name: 'Make a passkey' }).waitFor()
    await addAuthenticator(opened)
    await page.getByRole('button', { name: 'Make a passkey' }).click()
    await page.getByLabel(/^Password$/).fill('correct horse battery staple')
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText('Keep these recovery codes').waitFor()
    at().state.isFresh = false
    await page.getByRole('button', { name: 'Remove “passkey”' }).click()
    await page.getByRole('button', { name: 'Remove it' }).click()
    await page.getByText('Your browser will ask for the passkey.').waitFor()
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText('“passkey” was removed.').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Use a passkey' }).click()
    await seeScreen(page, 'Certificates')
    assert.deepEqual(complaints, [])
  })

  it('says that an address without a name has no passkeys', async () => {
    await using opened = await open('#/account/passkey')
    await signIn(opened.page)
    await opened.page.getByText('Passkeys belong to a name').waitFor()
  })

  it('sets a password with a one-time code, and says what is wrong with code and password', async () => {
    at().state.resetCode = 'GOOD-CODE'
    await using opened = await open('')
    const { page, complaints } = opened
    await page.getByRole('link', { name: 'I have a one-time code' }).click()
    await seeScreen(page, 'Set a password')
    await page.getByRole('button', { name: 'I have no code' }).click()
    await page.getByLabel('User name').fill('alice')
    await page.getByRole('button', { name: 'Ask for a code' }).click()
    await page.getByText('If there is such a user').waitFor()
    await page.getByLabel('One-time code').fill('BAD-CODE')
    await page.getByLabel('New password').first().fill('short')
    await page.getByRole('button', { name: 'Set the password' }).click()
    const weak = await page.getByRole('alert').innerText()
    assert.match(
      weak,
      /The new password is not good enough\.\s+It is too short: four or more words/,
    )
    await page.locator('input[name=password]').fill('nine quiet lighthouses')
    await page.getByRole('button', { name: 'Set the password' }).click()
    await page.getByText('The code is wrong, used or too old.').waitFor()
    await page.getByLabel('One-time code').fill(' GOOD-CODE ')
    await page.getByRole('button', { name: 'Set the password' }).click()
    await page.getByText('The password is set. Sign in with it.').waitFor()
    await signIn(page, 'nine quiet lighthouses')
    await seeScreen(page, 'Certificates')
    assert.doesNotMatch(page.url(), /password|code/i)
    assert.deepEqual(complaints, [])
  })
})

/** What browsers say to a page whose tab is chosen. */
const LOOK = "void document.dispatchEvent(new Event('visibilitychange'))"
