/**
 * RSA moduli that are no product of two large random primes.
 *
 * @module
 */

/**
 * What is wrong with a modulus: an odd factor below 752 (CA/Browser Forum BR §6.1.6), or the mark of Infineon's generator.
 *
 * @returns the key in words, or `undefined` where nothing is wrong
 */
export function rsaFactorFault(modulus: bigint): string | undefined {
  tables ??= makeTables()
  const { primes, subgroups } = tables
  const factor = primes.find((prime) => modulus % BigInt(prime) === 0n)
  if (factor !== undefined) return `an RSA key whose modulus is divisible by ${factor}`
  return hasRocaFingerprint(modulus, subgroups)
    ? 'an RSA key from a broken generator (ROCA, CVE-2017-15361)'
    : undefined
}

/**
 * Whether a modulus was made by Infineon's broken generator: it is then a power of 65537 modulo every small prime.
 * A sound key passes for one with a probability of about 2^-28 over these primes (Nemec et al., CCS 2017, §2).
 */
function hasRocaFingerprint(modulus: bigint, subgroups: readonly Subgroup[]): boolean {
  return subgroups.every(({ prime, members }) => members.has(Number(modulus % BigInt(prime))))
}

interface Subgroup {
  readonly prime: number
  readonly members: ReadonlySet<number>
}

interface Tables {
  /** The odd primes below 752. */
  readonly primes: readonly number[]
  /** The primes up to 167 in which the powers of 65537 are a proper subgroup, and those powers. */
  readonly subgroups: readonly Subgroup[]
}

/** Made for the first RSA key: most programs never see one. */
let tables: Tables | undefined

function makeTables(): Tables {
  const primes = Array.from({ length: 749 }, (_, index) => index + 3).filter((candidate) => {
    if (candidate % 2 === 0) return false
    for (let divisor = 3; divisor * divisor <= candidate; divisor += 2) {
      if (candidate % divisor === 0) return false
    }
    return true
  })
  const subgroups = primes
    .filter((prime) => prime <= 167)
    .flatMap((prime) => {
      const members = new Set<number>()
      for (let power = 1; !members.has(power); power = (power * 65_537) % prime) members.add(power)
      return members.size < prime - 1 ? [{ prime, members }] : []
    })
  return { primes, subgroups }
}
