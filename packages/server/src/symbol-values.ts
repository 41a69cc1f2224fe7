/**
 * What objects of another library keep under its symbols. Not by `Reflect.get`, which V8 does not compile: on the way of every request it shows.
 *
 * @module
 */

/** What an object keeps under a symbol. */
export function valueUnder(object: object, key: symbol): unknown {
  return hasSymbols(object) ? object[key] : undefined
}

/** The symbol of this description among an object's own. */
export function symbolOf(object: object, wanted: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find(({ description }) => description === wanted)
}

/** Any object may: this is for the compiler. */
function hasSymbols(object: object): object is Record<symbol, unknown> {
  return object !== undefined
}
