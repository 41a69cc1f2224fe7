/**
 * Sixteen that guess a password at once, in a process of their own: `node bench/auth-flood.ts URL CA`. They begin with the message
 * `on` and rest with `off`, which is answered with how many guesses were made.
 *
 * @module
 */
import { Session } from '@countersign/client'

const [, , baseUrl = '', ca = ''] = process.argv
const state = { flooding: false, guesses: 0 }
process.on('message', (message) => {
  state.flooding = message === 'on'
  if (message === 'off') process.send?.(state.guesses)
})
process.on('disconnect', () => process.exit())
await Promise.all(Array.from({ length: 16 }, guess))

async function guess(): Promise<never> {
  const session = new Session({ baseUrl, ca })
  for (;;) {
    if (!state.flooding) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      continue
    }
    const json = { username: 'ada', password: 'a wrong guess' }
    const answer = await session.post('/login', { json })
    await answer.bytes()
    state.guesses += 1
  }
}
