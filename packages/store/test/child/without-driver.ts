/** Opens PostgreSQL in a process in which the package `pg` cannot be found. */
import { registerHooks } from 'node:module'
import { openStore, StoreError } from '@countersign/store'

registerHooks({
  resolve(specifier, context, nextResolve) {
    return nextResolve(specifier === 'pg' ? 'pg-is-not-installed' : specifier, context)
  },
})

try {
  await openStore('postgres://127.0.0.1:1/nowhere')
} catch (error) {
  if (!(error instanceof StoreError)) throw error
  process.stdout.write(JSON.stringify({ code: error.code, hint: error.hint }))
}
