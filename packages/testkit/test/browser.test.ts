import assert from 'node:assert/strict'
import { once } from 'node:events'
import https from 'node:https'
import { describe, it } from 'node:test'
import { browserForTests, launchBrowser, testAuthority } from '../src/index.ts'

describe('launchBrowser', () => {
  const ca = testAuthority()

  it('trusts the roots it is given, and finds the hosts it is told', async (t) => {
    const started = await browserForTests(t, {
      roots: [ca.rootPem],
      hosts: { 'api.internal.test': '127.0.0.1' },
    })
    if (started === undefined) return
    const identity = ca.issue({ names: ['api.internal.test'] })
    const server = https.createServer(
      { cert: identity.chainPem, key: identity.keyPem },
      (_, response) => response.setHeader('content-type', 'text/html').end('<h1>hello</h1>'),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      server.closeAllConnections()
    })
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)

    const page = await started.browser.newPage()
    const response = await page.goto(`https://api.internal.test:${address.port}/`)
    assert.equal(response?.status(), 200)
    assert.equal(await page.getByRole('heading').innerText(), 'hello')
    assert.equal(await page.evaluate('1 + 1'), 2)

    await using other = await launchBrowser({ hosts: { 'api.internal.test': '127.0.0.1' } })
    const stranger = await other?.browser.newPage()
    await assert.rejects(
      async () => await stranger?.goto(`https://api.internal.test:${address.port}/`),
      /ERR_CERT_AUTHORITY_INVALID/,
    )
  })
})
