import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import {
  type BrowserContextOptions,
  scrubProcess,
  skipWithoutBrowser,
  temporaryFolder,
} from '@countersign/testkit'
import { APP, APP_CODE, APP_SECRET, CODES, RECOVERY_CODE } from './factor-service.ts'
import { PAGE_RULES } from './page-rules.ts'
import { consoleTests, seeScreen, signIn, type WatchedPage } from './pages.ts'
import type { Service } from './service.ts'

scrubProcess()

describe('the account in the console', { skip: skipWithoutBrowser() }, () => {
  const folder = temporaryFolder({ after })
  const { service: at, open } = consoleTests(path.join(folder, 'static'))
  const openAccount = async (task = '', options?: BrowserContextOptions): Promise<WatchedPage> => {
    const opened = await open(`#/account${task}`, options)
    await signIn(opened.page)
    await seeScreen(opened.page, 'My account')
    return opened
  }

  it('adds an app with its first code, shows the recovery codes once, and leaves no secret behind', async () => {
    await using opened = await openAccount()
    const { page, complaints } = opened
    await page.getByText('Only your password lets you in').waitFor()
    await page.getByRole('link', { name: 'Authenticator app' }).click()
    await page.getByRole('button', { name: 'Show the secret' }).click()
    await page.getByText('JBSW Y3DP EHPK 3PXP').waitFor()
    assert.equal(await page.evaluate('document.activeElement.name'), 'code')
    await page.getByLabel('Code of your app').fill('000 000')
    await page.getByRole('button', { name: 'Add the app' }).click()
    const alert = await page.getByRole('alert').innerText()
    assert.match(alert, /The code or proof is wrong, used or too old\./)
    assert.equal(await page.getByLabel('Code of your app').inputValue(), '')
    await page.getByLabel('Code of your app').fill('123 456')
    await page.evaluate(PRESS_TWICE)
    await page.getByText('Keep these recovery codes').waitFor()
    assert.equal(
      at().state.asked.filter((line) => line.endsWith('/confirm')).length,
      2,
      'one wrong code, and one right one although the button was pressed twice',
    )
    assert.equal((await page.locator('.codes li').allInnerTexts()).length, 10)
    const downloading = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Download' }).click()
    const file = await downloading
    assert.equal(file.suggestedFilename(), 'recovery-codes-alice.txt')
    const kept = readFileSync(await file.path(), 'utf8')
    assert.match(kept, /^(?:FIRST-CODE-\d-XXXXX-XXXXX\n){10}$/)
    await page.getByRole('button', { name: 'I have kept them' }).click()
    const content = await page.content()
    assert.doesNotMatch(content, new RegExp(`${APP_SECRET}|FIRST-CODE`))
    assert.doesNotMatch(page.url(), /secret|code/i)
    assert.equal(
      await page.evaluate(
        'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state])',
      ),
      '[{},{},null]',
    )
    assert.deepEqual(complaints, [])
  })

  it('forgets what was shown once when the page is left and the back button brings it again', async () => {
    await using opened = await openAccount('/totp')
    const { page } = opened
    await page.getByRole('button', { name: 'Show the secret' }).click()
    await page.getByText('JBSW Y3DP EHPK 3PXP').waitFor()
    await page.goto('about:blank')
    await page.goBack()
    await page.getByRole('button', { name: 'Show the secret' }).waitFor()
    assert.doesNotMatch(await page.content(), /JBSW/)
    // Inside the page as well: to another screen, and back.
    await page.getByRole('button', { name: 'Show the secret' }).click()
    await page.getByText('JBSW Y3DP EHPK 3PXP').waitFor()
    await page.getByRole('link', { name: 'Sessions' }).click()
    await seeScreen(page, 'Sessions')
    await page.evaluate('history.back()')
    await page.getByRole('button', { name: 'Show the secret' }).waitFor()
    assert.doesNotMatch(await page.content(), /JBSW/)
    // What browsers keep whole for the back button is told of it by this event.
    await page.getByRole('button', { name: 'Show the secret' }).click()
    await page.getByText('JBSW Y3DP EHPK 3PXP').waitFor()
    await page.evaluate("void dispatchEvent(new Event('pagehide'))")
    await page.getByRole('button', { name: 'Show the secret' }).waitFor()
    assert.doesNotMatch(await page.content(), /JBSW/)
  })

  it('asks for a proof in place, says why one is refused, and goes on; who turns away changes nothing', async () => {
    at().state.isFresh = false
    await using opened = await openAccount('/jwk')
    const { page, complaints } = opened
    await page.locator('textarea').fill('{"kty":"OKP","crv":"Ed25519","x":"AA"}')
    await page.getByLabel('Name').fill('robot')
    const submit = page.getByRole('button', { name: 'Add the key' })
    await submit.click()
    const dialog = page.locator('dialog')
    await dialog.waitFor()
    assert.equal(await page.evaluate('document.activeElement.name'), 'password')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    assert.equal(await page.evaluate('document.activeElement.type'), 'submit')
    assert.equal(await page.getByRole('alert').count(), 0)
    assert.deepEqual(at().state.factors, [])
    await submit.click()
    await page.getByLabel(/^Password$/).fill('not it')
    await page.getByRole('button', { name: 'Go on' }).click()
    const alert = await page.getByRole('alert').innerText()
    assert.match(alert, /User name or password is wrong\./)
    assert.equal(await page.getByLabel(/^Password$/).inputValue(), '')
    await page.getByLabel(/^Password$/).fill('correct horse battery staple')
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText('“robot” was added.').waitFor()
    assert.equal(at().state.factors[0]?.label, 'robot')
    assert.deepEqual(complaints, [])
  })

  it('turns PEM into the key that the service takes, and sends no private key', async () => {
    await using opened = await openAccount('/jwk')
    const { page } = opened
    const keys = await page.evaluate<{ secret: string; open: string }>(KEY_PAIR)
    await page.locator('textarea').fill(keys.secret)
    await page.getByRole('button', { name: 'Add the key' }).click()
    await page.getByText(/That was a private key; it was not sent/).waitFor()
    assert.equal(await page.locator('textarea').inputValue(), '')
    await page.locator('textarea').fill('ssh-ed25519 AAAA')
    await page.getByRole('button', { name: 'Add the key' }).click()
    await page.getByText('That is no public key that this page can read.').waitFor()
    assert.deepEqual(posted(at(), '/auth/factors'), [])
    await page.locator('textarea').fill(keys.open)
    await page.getByRole('button', { name: 'Add the key' }).click()
    await page.getByText('“public key” was added.').waitFor()
    const [body] = posted(at(), '/auth/factors')
    assert.match(body ?? '', /"jwk":\{"kty":"EC","crv":"P-256","x":"[\w-]{43}","y":"[\w-]{43}"\}/)
  })

  it('takes a signing request from a file, hands out the chain, and repeats the service’s word on a bad one', async () => {
    await using opened = await openAccount('/client_cert')
    const { page, complaints } = opened
    const choose = async (name: string, content: string): Promise<void> => {
      writeFileSync(path.join(folder, name), content)
      await page.locator('input[type=file]').setInputFiles(path.join(folder, name))
    }
    await choose('large.csr', 'x'.repeat(20_000))
    await page.getByText('large.csr is too large to be one.').waitFor()
    await choose('bad.csr', 'no request')
    await page.getByText('bad.csr was read.').waitFor()
    await page.getByRole('button', { name: 'Get the certificate' }).click()
    await page
      .getByText(
        'That is no signing request of the key in it: the signing request has no PEM block.',
      )
      .waitFor()
    await choose('my.csr', REQUEST)
    await page.getByText('my.csr was read.').waitFor()
    await page.getByLabel('Name').fill('laptop / ../büro')
    await page.getByRole('button', { name: 'Get the certificate' }).click()
    await page.getByRole('heading', { name: 'Your certificate' }).waitFor()
    const downloading = page.waitForEvent('download')
    await page.getByRole('button', { name: /^Download/ }).click()
    const download = await downloading
    assert.equal(download.suggestedFilename(), 'laptop-büro.crt')
    assert.match(readFileSync(await download.path(), 'utf8'), /^-----BEGIN CERTIFICATE-----\n/)
    await page.getByRole('button', { name: 'Remove “laptop / ../büro”' }).waitFor()
    await page.getByRole('link', { name: 'Close' }).click()
    await page.locator('.panel').waitFor({ state: 'detached' })
    assert.deepEqual(complaints, [])
  })

  it('removes after asking; what another tab has removed is said, and the list is that of now', async () => {
    at().state.factors = [APP, { ...APP, id: 'APP2', label: 'old telephone' }, CODES]
    at().state.isFresh = false
    await using opened = await open('#/account')
    const { page } = opened
    await signIn(page)
    await page.getByLabel('Code of your app').fill(APP_CODE)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.locator('.session').nth(2).waitFor()
    const texts = await page.locator('.session').allInnerTexts()
    assert.match(texts[0] ?? '', /telephone\s+Authenticator app\s+Added\s.*ago\s+Last used\s.*ago/s)
    assert.match(texts[2] ?? '', /Recovery codes\s+Left\s+9 of 10/)
    await page.getByRole('button', { name: 'Remove “old telephone”' }).click()
    await page.getByRole('button', { name: 'Keep' }).click()
    assert.equal(
      await page.evaluate('document.activeElement.textContent'),
      'Remove “old telephone”',
      'the focus is where it was',
    )
    await page.getByRole('button', { name: 'Remove “old telephone”' }).click()
    await page.getByRole('button', { name: 'Remove it' }).click()
    // A password would not do where there is an app.
    assert.equal(await page.getByLabel(/^Password$/).count(), 0)
    await page.getByRole('button', { name: 'Use a recovery code instead' }).click()
    await page.getByLabel('Recovery code').fill(` ${RECOVERY_CODE} `)
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText('“old telephone” was removed.').waitFor()
    // Once the list is that of now: what another tab does comes after it.
    await page.locator('.session').nth(2).waitFor({ state: 'detached' })
    at().state.factors = [CODES]
    await page.getByRole('button', { name: 'Remove “telephone”' }).click()
    await page.getByText('It is the last one').waitFor()
    await page.getByRole('button', { name: 'Remove it' }).click()
    await page.getByText('You have no such factor.').waitFor()
    await page.locator('.session').nth(1).waitFor({ state: 'detached' })
    assert.equal(await page.getByText('was removed').count(), 0)
  })

  it('goes to the sign-in when the session ends in the middle, and on from there', async () => {
    await using opened = await openAccount('/totp')
    const { page } = opened
    await page.getByText('Only your password lets you in').waitFor()
    at().state.isFresh = false
    await page.getByRole('button', { name: 'Show the secret' }).click()
    await page.locator('dialog').waitFor()
    at().state.sessions.clear()
    await page.getByLabel(/^Password$/).fill('correct horse battery staple')
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText('Your session has ended. Sign in to go on.').waitFor()
    assert.equal(await page.locator('dialog').count(), 0)
    at().state.isFresh = true
    await signIn(page)
    await page.getByRole('button', { name: 'Show the secret' }).click()
    await page.getByText('JBSW Y3DP EHPK 3PXP').waitFor()
  })

  it('changes the password of whoever knows it', async () => {
    await using opened = await openAccount('/change-password')
    const { page } = opened
    await page.locator('input[name=current]').fill('not it')
    await page.locator('input[name=new]').fill('nine quiet lighthouses')
    await page.getByRole('button', { name: 'Change it' }).click()
    await page.getByText('User name or password is wrong.').waitFor()
    await page.locator('input[name=current]').fill('correct horse battery staple')
    await page.getByRole('button', { name: 'Change it' }).click()
    await page.getByText('The password was changed.').waitFor()
    assert.equal(at().state.users.get('alice'), 'nine quiet lighthouses')
  })

  for (const [colorScheme, width] of [
    ['light', 390],
    ['dark', 1280],
  ] as const) {
    it(`keeps the rules of accessibility on every task, ${colorScheme}, ${width} wide`, async () => {
      const label = `${'טלפון 📱 '.repeat(6)}telephone-of-the-person-with-the-longest-name`.slice(
        0,
        64,
      )
      const options = { colorScheme, viewport: { width, height: 800 } }
      await using opened = await openAccount('', options)
      const { page, complaints } = opened
      const check = async (what: string): Promise<void> => {
        assert.deepEqual(await page.evaluate<string[]>(PAGE_RULES), [], what)
      }
      await page.getByText('Only your password lets you in').waitFor()
      await check('nothing yet')
      at().state.factors = [
        { ...APP, label },
        { ...APP, id: 'L', label: 'x'.repeat(64) },
        { ...APP, id: 'C', type: 'client_cert', expires: '2026-02-03T04:05:06Z' },
        CODES,
      ]
      for (const [task, title] of TASKS) {
        await page.goto(`${at().url}/console/#/account/${task}`)
        await page.locator(`.panel h2:text-is("${title}")`).waitFor()
        await check(task)
      }
      await page.reload()
      await page.locator('.session').nth(3).waitFor()
      await page.getByRole('button', { name: 'Show the secret' }).click()
      await page.locator('.secret').first().waitFor()
      await check('a secret and a list')
      await page.getByRole('button', { name: `Remove “${label}”` }).click()
      await page.locator('dialog').waitFor()
      await check('a question')
      at().state.isFresh = false
      await page.getByRole('button', { name: 'Remove it' }).click()
      await page.getByLabel('Code of your app').first().waitFor()
      await page.getByRole('button', { name: 'Go on' }).waitFor()
      await check('a proof')
      await page.keyboard.press('Escape')
      await page.getByRole('button', { name: 'Sign out' }).click()
      await signIn(page)
      await seeScreen(page, 'One more step')
      await check('the second step')
      await page.goto(`${at().url}/console/#/password`)
      await seeScreen(page, 'Set a password')
      await check('a password by code')
      assert.deepEqual(complaints, [])
    })
  }
})

/** Bodies that were sent to an address. */
function posted({ state }: Service, address: string): string[] {
  return state.sent.flatMap(([line, body]) => (line === `POST ${address}` ? [body] : []))
}

const TASKS = [
  ['passkey', 'Passkey'],
  ['client_cert', 'Client certificate'],
  ['jwk', 'Public key'],
  ['recovery', 'New recovery codes'],
  ['change-password', 'Change the password'],
  ['totp', 'Authenticator app'],
] as const

/** Both before any answer can come. */
const PRESS_TWICE = `(() => {
  const button = document.querySelector('.panel button[type=submit]')
  button.click()
  button.click()
})()`

const REQUEST = '-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n'

/** A pair of keys as PEM, made by the browser. */
const KEY_PAIR = String.raw`(async () => {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
  const pem = async (format, key, name) => {
    const der = new Uint8Array(await crypto.subtle.exportKey(format, key))
    const text = btoa(String.fromCharCode(...der)).replaceAll(/.{64}/g, '$&\n')
    return '-----BEGIN ' + name + '-----\n' + text + '\n-----END ' + name + '-----\n'
  }
  return {
    secret: await pem('pkcs8', pair.privateKey, 'PRIVATE KEY'),
    open: await pem('spki', pair.publicKey, 'PUBLIC KEY'),
  }
})()`
