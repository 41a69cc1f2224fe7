/**
 * What the commands of an operator find in their environment.
 *
 * @module
 */

/** Our own environment with these facts, and without the address of the database, which may hold a password. */
export function hookEnvironment(facts: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { COUNTERSIGN_DATABASE: _, ...inherited } = process.env
  return { ...inherited, ...facts }
}
