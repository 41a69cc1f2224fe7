import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { consoleFolder } from '@countersign/console'
import {
  launchBrowser,
  scrubProcess,
  skipWithoutBrowser,
  temporaryFolder,
  type TestBrowser,
} from '@countersign/testkit'
import { atDays, certificate, oddCertificates, someCertificates } from './certificates.ts'
import { PAGE_RULES } from './page-rules.ts'
import { buildPage, openConsole, seeRows, seeScreen, signIn, type WatchedPage } from './pages.ts'
import { type Service, startService } from './service.ts'

scrubProcess()

describe('the console', () => {
  const folder = path.join(temporaryFolder({ after }), 'static')
  before(() => buildPage(folder))

  it('is found where the build of the repository puts it', () => {
    assert.ok(path.isAbsolute(consoleFolder))
    assert.match(consoleFolder, /console[\\/]dist[\\/]static$/)
  })

  it('is built without anything inline or from elsewhere, each asset named by its content', () => {
    const html = readFileSync(path.join(folder, 'index.html'), 'utf8')
    assert.doesNotMatch(html, /<style|<script(?![^>]* src=)|\sstyle=|\son[a-z]+=/)
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g)) {
      assert.match(address ?? '', /^\/console\/assets\/[a-z]+-[\w-]{8}\.(?:js|css|svg)$/)
      assert.ok(existsSync(path.join(folder, (address ?? '').slice('/console/'.length))))
    }
    for (const name of readdirSync(path.join(folder, 'assets'))) {
      const text = readFileSync(path.join(folder, 'assets', name), 'utf8')
      assert.doesNotMatch(
        text.replaceAll(/http:\/\/www\.w3\.org\/[\w/]+/g, ''),
        /https?:\/\/\w/,
        name,
      )
      assert.doesNotMatch(text, /url\("?data:|\beval\(|new Function\(/, name)
    }
  })

  describe('in a browser', { skip: skipWithoutBrowser() }, () => {
    let browser: TestBrowser | undefined
    let service: Service | undefined
    before(async () => {
      browser = await launchBrowser({ onMissing: (reason) => assert.fail(reason) })
    })
    after(async () => {
      await browser?.close()
    })
    beforeEach(async () => {
      await service?.[Symbol.asyncDispose]()
      service = await startService(folder)
      service.state.certificates = someCertificates()
    })
    after(async () => {
      await service?.[Symbol.asyncDispose]()
    })
    const at = (): Service => {
      assert.ok(service !== undefined)
      return service
    }
    const open = async (hash?: string): Promise<WatchedPage> => {
      assert.ok(browser !== undefined)
      return await openConsole(browser, at(), hash)
    }

    it('makes the first administrator from the one-time code, and says why a code is refused', async () => {
      at().state.setupCode = 'GOOD-CODE'
      await using opened = await open()
      const { page, complaints } = opened
      await seeScreen(page, 'Set up')
      await page.getByLabel('One-time code').fill('BAD-CODE')
      await page.getByLabel('User name').fill('root')
      await page.getByLabel(/^Password$/).fill('a long enough sentence')
      await page.getByRole('button', { name: 'Make the administrator' }).click()
      const alert = await page.getByRole('alert').innerText()
      assert.match(alert, /The one-time code is not right\.\s+Run countersign up again\./)
      await page.getByLabel('One-time code').fill(' GOOD-CODE ')
      await page.getByRole('button', { name: 'Make the administrator' }).click()
      await seeScreen(page, 'Certificates')
      assert.equal(at().state.users.get('root'), 'a long enough sentence')
      assert.deepEqual(complaints, [])
    })

    it('signs in, stays so over a reload, and signs out', async () => {
      await using opened = await open()
      const { page, complaints } = opened
      await seeScreen(page, 'Sign in')
      await signIn(page, 'wrong')
      const alert = await page.getByRole('alert').innerText()
      assert.match(alert, /The user name or the password is not right\./)
      assert.equal(await page.getByLabel(/^Password$/).inputValue(), '')
      assert.equal(await page.evaluate('document.activeElement.name'), 'password')
      await signIn(page)
      await seeScreen(page, 'Certificates')
      await page.reload()
      await seeScreen(page, 'Certificates')
      await page.getByRole('button', { name: 'Sign out' }).click()
      await seeScreen(page, 'Sign in')
      assert.equal(at().state.sessions.size, 0)
      assert.deepEqual(complaints, [])
    })

    it('shows a password on request', async () => {
      await using opened = await open()
      const { page } = opened
      const field = page.getByLabel(/^Password$/)
      await field.fill('secret')
      assert.equal(await field.getAttribute('type'), 'password')
      await page.getByRole('button', { name: 'Show password' }).click()
      assert.equal(await field.getAttribute('type'), 'text')
      assert.equal(await field.inputValue(), 'secret')
    })

    it('lists certificates with their state in a word, and how long they live', async () => {
      await using opened = await open()
      const { page, complaints } = opened
      await signIn(page)
      await page.getByText('api.corp.internal').first().waitFor()
      const rows = await page.locator('tbody tr').allInnerTexts()
      assert.equal(rows.length, 7)
      assert.match(rows[0] ?? '', /api\.corp\.internal\s+and 3 more names\s+Expiring\s.*in 4 days/s)
      assert.match(rows[1] ?? '', /vault.*Valid\s.*in 89 days.*deploy/s)
      assert.match(rows[2] ?? '', /old.*Expired\s.*1 day ago/s)
      assert.match(rows[3] ?? '', /stolen.*Revoked\s.*revoked \d/s)
      assert.match(rows[6] ?? '', /next-week.*begins in 2 days/s)
      assert.deepEqual(complaints, [])
    })

    it('searches and filters, keeps both in the address, and says so when there is nothing', async () => {
      await using opened = await open()
      const { page } = opened
      await signIn(page)
      await seeScreen(page, 'Certificates')
      await page.getByLabel(/^Search/).fill('vault')
      await seeRows(page, 1)
      assert.match(page.url(), /#\/certificates\?q=vault$/)
      await page.getByLabel(/^Search/).fill('nothing like it')
      await page.getByText('matches “nothing like it”').waitFor()
      await page.getByRole('button', { name: 'Show all certificates' }).click()
      await seeRows(page, 7)
      await page.getByLabel('Expiring in 14 days').click()
      await seeRows(page, 2)
      await page.reload()
      await seeRows(page, 2)
      at().state.certificates = []
      await page.getByRole('button', { name: 'Reload' }).click()
      await page.getByText('No certificate expires in the next 14 days.').waitFor()
      await page.getByLabel('All').click()
      await page.getByText('No certificates yet').waitFor()
    })

    it('shows the certificates page by page', async () => {
      at().state.certificates = Array.from({ length: 120 }, (_, index) =>
        certificate(`host-${index}.corp.internal`, -1, 60),
      )
      await using opened = await open()
      const { page } = opened
      await signIn(page)
      for (const count of [50, 100, 120]) {
        await seeRows(page, count)
        if (count < 120) await page.getByRole('button', { name: 'Show more' }).click()
      }
      assert.equal(await page.getByRole('button', { name: 'Show more' }).count(), 0)
      await page.getByLabel(/^Search/).fill('host-11')
      await seeRows(page, 11)
    })

    it('opens one certificate by keyboard with all that is known of it, and returns the focus', async () => {
      await using opened = await open()
      const { page } = opened
      await signIn(page)
      const link = page.getByRole('link', { name: 'stolen.corp.internal' })
      await link.focus()
      await page.keyboard.press('Enter')
      const detail = page.locator('.detail')
      await detail.waitFor()
      const text = await detail.innerText()
      const [, , , stolen] = at().state.certificates
      assert.ok(text.replaceAll(' ', '').includes(stolen?.serial ?? '?'))
      assert.ok(text.replaceAll(' ', '').includes(stolen?.fingerprint ?? '?'))
      assert.match(text, /rsa2048/)
      assert.match(text, /Revoked/)
      await page.keyboard.press('Escape')
      await detail.waitFor({ state: 'detached' })
      assert.equal(
        await page.evaluate('document.activeElement.textContent'),
        'stolen.corp.internal',
      )
    })

    it('opens one certificate by its address, and says when the ledger has none', async () => {
      const serial = at().state.certificates[1]?.serial ?? ''
      await using opened = await open(`#/certificates/${serial}`)
      const { page } = opened
      await signIn(page)
      await page.getByRole('heading', { name: 'vault.corp.internal' }).waitFor()
      await page.goto(`${at().url}/console/#/certificates/0123`)
      await page.getByText('The ledger has no certificate').waitFor()
    })

    it('shows hundreds of sessions a page at a time, and says how many there are', async () => {
      for (let index = 0; index < 120; index++) {
        const session = { sid: `s${index}`, created: atDays(-3), lastSeen: atDays(-1) }
        at().state.sessions.set(`t${index}`, { ...session, address: '::1', userAgent: 'curl/8.5' })
      }
      await using opened = await open('#/sessions')
      const { page } = opened
      await signIn(page)
      await page.getByText('50 of 121, those that were used last').waitFor()
      assert.equal(await page.locator('.session').count(), 50)
      await page.getByRole('button', { name: 'Show more' }).click()
      await page.getByRole('button', { name: 'Show more' }).click()
      await page.locator('.session').nth(120).waitFor()
      assert.equal(await page.getByRole('button', { name: 'Show more' }).count(), 0)
    })

    it('lists the sessions, and ends one or all others after asking', async () => {
      for (const [index, userAgent] of [
        'curl/8.5.0',
        'Mozilla/5.0 (Windows NT 10.0) Firefox/140.0',
        '',
      ].entries()) {
        const session = { sid: `s${index}`, created: atDays(-3), lastSeen: atDays(-index - 1) }
        at().state.sessions.set(`t${index}`, { ...session, address: `10.0.0.${index}`, userAgent })
      }
      await using opened = await open('#/sessions')
      const { page, complaints } = opened
      await signIn(page)
      await seeScreen(page, 'Sessions')
      await page.locator('.session').nth(3).waitFor()
      const texts = await page.locator('.session').allInnerTexts()
      assert.match(texts[0] ?? '', /Chrome on Linux\s+This one/)
      assert.match(texts[1] ?? '', /^curl\s.*10\.0\.0\.0/s)
      assert.match(texts[2] ?? '', /^Firefox on Windows\s/)
      assert.match(texts[3] ?? '', /^Unknown program\s/)
      await page.getByRole('button', { name: 'End the session of curl' }).click()
      await page.getByRole('button', { name: 'Keep' }).click()
      assert.equal(at().state.sessions.size, 4)
      await page.getByRole('button', { name: 'End the session of curl' }).click()
      await page.getByRole('button', { name: 'End it' }).click()
      await page.getByText('The session was ended.').waitFor()
      assert.equal(at().state.sessions.has('t0'), false)
      await page.getByRole('button', { name: 'End all others' }).click()
      await page.getByRole('button', { name: 'End them' }).click()
      await page.getByText('2 other sessions were ended.').waitFor()
      await page.getByText('You are signed in nowhere else.').waitFor()
      assert.equal(at().state.sessions.size, 1)
      assert.deepEqual(complaints, [])
    })

    it('returns to the sign-in when the session has ended, says so, and goes on where it was', async () => {
      await using opened = await open()
      const { page } = opened
      await signIn(page)
      await seeScreen(page, 'Certificates')
      at().state.sessions.clear()
      await page.getByRole('link', { name: 'Sessions' }).click()
      await page.getByText('Your session has ended. Sign in to go on.').waitFor()
      await signIn(page)
      await seeScreen(page, 'Sessions')
    })

    it('says in words what is wrong with the service, and tries again on request', async () => {
      const { state } = at()
      const body = JSON.stringify({ detail: 'the database is busy', hint: 'wait a moment' })
      state.failure = { status: 503, body, type: 'application/problem+json' }
      await using opened = await open()
      const { page } = opened
      await seeScreen(page, 'No connection')
      const alert = page.getByRole('alert')
      assert.match(await alert.innerText(), /The database is busy\.\s+Wait a moment\./)
      state.failure = { status: 502, body: '<h1>Bad Gateway</h1>', type: 'text/html' }
      await page.getByRole('button', { name: 'Try again' }).click()
      await page.getByText('The service behind the proxy cannot be reached.').waitFor()
      state.failure = { status: 200, body: '<p>Welcome</p>', type: 'text/html' }
      await page.getByRole('button', { name: 'Try again' }).click()
      await page.getByText('The service gave an answer that is not JSON.').waitFor()
      state.failure = { status: 200, body: '{"principal":{}}', type: 'application/json' }
      await page.getByRole('button', { name: 'Try again' }).click()
      await page.getByText(/^The service gave an answer without/).waitFor()
      state.failure = undefined
      await page.getByRole('button', { name: 'Try again' }).click()
      await seeScreen(page, 'Sign in')
      await signIn(page)
      await seeRows(page, 7)
      const refusal = JSON.stringify({ code: 'role-missing', detail: 'without the role' })
      state.failure = { status: 403, body: refusal, type: 'application/problem+json' }
      await page.getByRole('button', { name: 'Reload' }).click()
      await page.getByText('The certificates are not open to you').waitFor()
      assert.equal(await page.getByRole('alert').count(), 0)
    })

    it('says when the service cannot be reached at all, and keeps what was typed', async () => {
      await using opened = await open()
      const { page } = opened
      await seeScreen(page, 'Sign in')
      const { url } = at()
      await at()[Symbol.asyncDispose]()
      service = undefined
      await signIn(page)
      await page.getByText('The service cannot be reached.').waitFor()
      assert.equal(await page.getByLabel('User name').inputValue(), 'alice')
      assert.notEqual(url, '')
    })

    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [360, 1400]) {
        it(`keeps the rules of accessibility on every screen, ${colorScheme}, ${width} wide`, async () => {
          assert.ok(browser !== undefined)
          const options = { colorScheme, viewport: { width, height: 800 } }
          at().state.setupCode = 'CODE'
          at().state.certificates = [...someCertificates(), ...oddCertificates()]
          await using opened = await openConsole(browser, at(), '', options)
          const { page, complaints } = opened
          const check = async (screen: string): Promise<void> => {
            assert.deepEqual(await page.evaluate<string[]>(PAGE_RULES), [], screen)
          }
          await seeScreen(page, 'Set up')
          await check('set-up')
          at().state.setupCode = undefined
          await page.reload()
          await seeScreen(page, 'Sign in')
          await signIn(page, 'wrong')
          await page.getByRole('alert').waitFor()
          await check('sign-in with an error')
          await signIn(page)
          await page.locator('tbody tr').nth(10).waitFor()
          await check('certificates')
          await page.getByRole('link', { name: 'api.corp.internal' }).click()
          await page.locator('.facts').waitFor()
          await check('one certificate')
          await page.getByRole('button', { name: 'Close' }).click()
          for (const name of [/^xxxx/, /^host-0/]) {
            await page.getByRole('link', { name }).click()
            await page.locator('.facts').waitFor()
            await check(`one certificate, ${name}`)
            await page.getByRole('button', { name: 'Close' }).click()
          }
          await page.getByRole('link', { name: 'Sessions' }).click()
          await page.locator('.session').first().waitFor()
          await check('sessions')
          assert.deepEqual(complaints, [])
        })
      }
    }
  })
})
