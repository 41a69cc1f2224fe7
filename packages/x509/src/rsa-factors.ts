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
  const factor = SMALL_PRIMES.find((prime) => modulus % BigInt(prime) === 0n)
  if (factor !== undefined) return `an RSA key whose modulus is divisible by ${factor}`
  return hasRocaFingerprint(modulus)
    ? 'an RSA key from a broken generator (ROCA, CVE-2017-15361)'
    : undefined
}

/**
 * Whether a modulus was made by Infineon's broken generator: it is then a power of 65537 modulo every small prime.
 * A sound key passes for one with a probability of about 2^-28 over these primes (Nemec et al., CCS 2017, §2).
 */
function hasRocaFingerprint(modulus: bigint): boolean {
  return ROCA_SUBGROUPS.every(({ prime, members }) => members.has(Number(modulus % BigInt(prime))))
}

/** The odd primes below 752. */
const SMALL_PRIMES = Array.from({ length: 749 }, (_, index) => index + 3).filter((candidate) => {
  if (candidate % 2 === 0) return false
  for (let divisor = 3; divisor * divisor <= candidate; divisor += 2) {
    if (candidate % divisor === 0) return false
  }
  return true
})

/** The primes up to 167 in which the powers of 65537 are a proper subgroup. */
const ROCA_SUBGROUPS = SMALL_PRIMES.filter((prime) => prime <= 167).flatMap((prime) => {
  const members = new Set<number>()
  for (let power = 1; !members.has(power); power = (power * 65_537) % prime) members.add(power)
  return members.size < prime - 1 ? [{ prime, members }] : []
})
