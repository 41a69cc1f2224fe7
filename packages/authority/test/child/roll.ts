/**
 * Changes roots or issuers: `roll root`, `retire issuer`, `upkeep issuer`. `before-2` kills the process before its second transaction,
 * `after-1` after its first; the transactions of a roll are the claim and the commit, of everything else the commit alone. Prints
 * the step that was reached, or the error's code.
 */
import { openAuthority } from '@countersign/authority'
import { openStore, type Store } from '@countersign/store'

const [url = '', folder = '', action = '', kind = '', stop] = process.argv.slice(2)
let count = Number.NaN
await using store = await openStore(url)
const authority = await openAuthority({ store: killing(store), folder })
count = 0
try {
  process.stdout.write(`${await act()}\n`)
} catch (error) {
  process.stdout.write(
    `${error instanceof Error && 'code' in error ? String(error.code) : String(error)}\n`,
  )
}

async function act(): Promise<string> {
  const which = kind === 'root' ? 'root' : 'issuer'
  if (action === 'roll') return (await authority.roll(which)).step
  if (action === 'retire') return (await authority.retire(which, { force: true })).step
  return (await authority.upkeep({ force: true })).renewed === undefined ? 'none' : 'renewed'
}

/** The store, in whose transactions the process dies. */
function killing(inner: Store): Store {
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== 'transaction') return typeof value === 'function' ? value.bind(target) : value
      const transaction: Store['transaction'] = async (work) => {
        count++
        if (stop === `before-${count}`) process.kill(process.pid, 'SIGKILL')
        const result = await target.transaction(work)
        if (stop === `after-${count}`) process.kill(process.pid, 'SIGKILL')
        return result
      }
      return transaction
    },
  })
}
