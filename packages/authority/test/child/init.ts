/** Makes an authority; `before-commit` and `after-commit` kill the process there. Prints `made` or the error's code. */
import { initAuthority } from '@countersign/authority'
import { openStore, type Store } from '@countersign/store'

const [url = '', folder = '', stop] = process.argv.slice(2)
await using store = await openStore(url)
try {
  const authority = await initAuthority({ store: killing(store), folder })
  process.stdout.write(`made ${authority.roots[0]?.fingerprint}\n`)
} catch (error) {
  process.stdout.write(
    `${error instanceof Error && 'code' in error ? String(error.code) : String(error)}\n`,
  )
}

/** The store, in whose transactions the process dies. */
function killing(inner: Store): Store {
  if (stop === undefined) return inner
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== 'transaction') return typeof value === 'function' ? value.bind(target) : value
      const transaction: Store['transaction'] = async (work) => {
        if (stop === 'before-commit') process.kill(process.pid, 'SIGKILL')
        const result = await target.transaction(work)
        process.kill(process.pid, 'SIGKILL')
        return result
      }
      return transaction
    },
  })
}
