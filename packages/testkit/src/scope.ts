/**
 * Where a fixture ends: with one test (`t`), or with a suite or file (`after` of node:test).
 *
 * @module
 */

/** Registers what is done when the scope ends. */
export type AfterHook = (hook: () => void | Promise<void>) => void

/**
 * A test's context, or the `after` function of node:test when a fixture serves a whole suite or file:
 * `temporaryFolder(t)` and `temporaryFolder(after)`.
 */
export type Scope = AfterHook | { after: AfterHook }

/** What a fixture needs of a test to skip it by name. */
export interface Skippable {
  skip(message?: string): void
}

/** Runs `hook` when the scope ends. */
export function whenDone(scope: Scope, hook: () => void | Promise<void>): void {
  if (typeof scope === 'function') scope(hook)
  else scope.after(hook)
}
