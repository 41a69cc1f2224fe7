/**
 * Which transaction the running code is inside of.
 *
 * On SQLite a query beside the open transaction would wait for it for ever, on PostgreSQL it would silently
 * not be part of it. Both are mistakes of the caller, and both are refused in the same words.
 *
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { StoreError } from './errors.ts'

interface Scope {
  open: boolean
  connected: boolean
}

/** The open transactions of one store. */
export class TransactionScope {
  readonly #storage = new AsyncLocalStorage<Scope>()

  /**
   * Runs `work` as the inside of a transaction.
   *
   * @throws {@link StoreError} `transaction-nested` inside another one of the same store
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.refuseNested()
    const scope = { open: true, connected: false }
    try {
      return await this.#storage.run(scope, work)
    } finally {
      scope.open = false
    }
  }

  /** @throws {@link StoreError} `transaction-nested` inside a transaction of this store */
  refuseNested(): void {
    if (this.#storage.getStore()?.open !== true) return
    throw new StoreError('transaction-nested', 'a transaction was begun inside another one', {
      hint: 'hand the outer transaction on and query with it',
    })
  }

  /**
   * Called for every connection that is taken: a transaction takes one, and nothing else may.
   *
   * @throws {@link StoreError} `transaction-outside`
   */
  connect(): void {
    const scope = this.#storage.getStore()
    if (scope?.open !== true) return
    if (scope.connected) {
      throw new StoreError('transaction-outside', 'a query was made beside the open transaction', {
        hint: 'inside the work of a transaction, query with the transaction that was handed to it',
      })
    }
    scope.connected = true
  }

  /**
   * Called for a query that is said to be part of a transaction.
   *
   * @throws {@link StoreError} `transaction-outside` where none is open here
   */
  inside(): void {
    const scope = this.#storage.getStore()
    if (scope?.open === true && scope.connected) return
    throw new StoreError('transaction-outside', 'a query was made in a transaction that is over', {
      hint: 'await every query inside the work of its transaction',
    })
  }

  /**
   * Called before BEGIN.
   *
   * @throws {@link StoreError} `transaction-unmanaged` for one that the store did not begin, and so would not retry
   */
  begin(): void {
    if (this.#storage.getStore()?.open === true) return
    throw new StoreError('transaction-unmanaged', 'a transaction was begun past the store', {
      hint: 'use store.transaction(work), which retries when another transaction is in the way',
    })
  }
}
