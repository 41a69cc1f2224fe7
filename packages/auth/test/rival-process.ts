/**
 * Sign-in in a process of its own, on a database that others use as well: `node rival-process.ts`. Sent where that is, it opens it;
 * sent a request with several bodies, it makes one with each at once and sends back what they were answered.
 */
import { type Auth, createAuth } from '@countersign/auth'
import { openStore, type Store } from '@countersign/store'

/** Where the database is. */
export interface RivalStart {
  url: string
  keys: string
  issuer: string
}

/** One request, made at once with each of the bodies. */
export interface RivalOrder {
  path: string
  method: string
  headers: Record<string, string>
  bodies: readonly string[]
}

/** What one of them was answered. */
export interface RivalAnswer {
  status: number
  body: string
}

const state: { open?: { auth: Auth; store: Store } } = {}

process.on('message', (order: RivalStart | RivalOrder) => {
  void ('url' in order ? start(order) : make(order))
})
process.on('disconnect', () => process.exit())
process.send?.('ready')

async function start({ url, keys, issuer }: RivalStart): Promise<void> {
  const store = await openStore(url)
  const hashing = { queue: 100 }
  const auth = await createAuth({ store, keys: { path: keys }, issuer, hashing })
  state.open = { auth, store }
  process.send?.('open')
}

async function make({ path, method, headers, bodies }: RivalOrder): Promise<void> {
  const { open } = state
  const peer = { address: '192.0.2.7', encrypted: true }
  const answers = await Promise.all(
    bodies.map(async (body): Promise<RivalAnswer> => {
      const request = new Request(`https://service.test${path}`, { method, headers, body })
      const answer = await open?.auth.routes.fetch(request, { peer })
      return { status: answer?.status ?? 0, body: (await answer?.text()) ?? '' }
    }),
  )
  process.send?.(answers)
}
