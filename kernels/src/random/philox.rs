//! Philox 4x32-10: ten rounds that turn a counter and a key into four random words.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A counter-based generator has
//! no state: any word of any stream is computed where it is needed, in any order.

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// The golden ratio and sqrt(3) - 1, which step the key from round to round.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The words of `L` counters under one key. The low half of `key` is the first key word.
#[inline(always)]
pub(super) fn philox<const L: usize>(counter: [[u32; L]; 4], key: u64) -> [[u32; L]; 4] {
    let (mut words, mut key) = (counter, [key as u32, (key >> 32) as u32]);
    for _ in 0..ROUNDS {
        let [c0, c1, c2, c3] = words;
        let (p0, p1) = (product(MULTIPLIER[0], c0), product(MULTIPLIER[1], c2));
        words = [
            std::array::from_fn(|i| high(p1[i]) ^ c1[i] ^ key[0]),
            std::array::from_fn(|i| p1[i] as u32),
            std::array::from_fn(|i| high(p0[i]) ^ c3[i] ^ key[1]),
            std::array::from_fn(|i| p0[i] as u32),
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    words
}

#[inline(always)]
fn product<const L: usize>(a: u32, b: [u32; L]) -> [u64; L] {
    std::array::from_fn(|i| u64::from(a) * u64::from(b[i]))
}

#[inline(always)]
fn high(x: u64) -> u32 {
    (x >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kat_vectors` of the authors' Random123 library, rows `philox4x32 10`.
    #[test]
    fn known_answers() {
        let cases: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
            ([0; 4], [0; 2], [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
            ([!0; 4], [!0; 2], [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]),
            (
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
                [0xA409_3822, 0x299F_31D0],
                [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1],
            ),
        ];
        for (counter, key, want) in cases {
            let key64 = u64::from(key[0]) | u64::from(key[1]) << 32;
            assert_eq!(philox(counter.map(|c| [c]), key64).map(|[w]| w), want);
            assert_eq!(definition(counter, key), want);
        }
    }

    /// Every lane is the generator by itself.
    #[test]
    fn lanes_agree_with_the_definition() {
        let counter: [[u32; 16]; 4] = std::array::from_fn(|word| {
            std::array::from_fn(|lane| (lane as u32 * 4 + word as u32).wrapping_mul(0x1234_567B))
        });
        let words = philox(counter, 0x0123_4567_89AB_CDEF);
        for lane in 0..16 {
            assert_eq!(words.map(|w| w[lane]), definition(counter.map(|c| c[lane]), [0x89AB_CDEF, 0x0123_4567]));
        }
    }

    /// The paper's text, section 3.3: a Feistel-like S-P network on two pairs (L, R), then a swap of the right words.
    fn definition(counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
        let [mut r0, mut l0, mut r1, mut l1] = counter;
        for round in 0..10 {
            if round > 0 {
                key[0] = ((u64::from(key[0]) + 0x9E37_79B9) % (1 << 32)) as u32;
                key[1] = ((u64::from(key[1]) + 0xBB67_AE85) % (1 << 32)) as u32;
            }
            let (wide0, wide1) = (u128::from(r0) * 0xD251_1F53, u128::from(r1) * 0xCD9E_8D57);
            let (new_r0, new_r1) = ((wide1 >> 32) as u32 ^ key[0] ^ l0, (wide0 >> 32) as u32 ^ key[1] ^ l1);
            (l0, l1) = ((wide1 % (1 << 32)) as u32, (wide0 % (1 << 32)) as u32);
            (r0, r1) = (new_r0, new_r1);
        }
        [r0, l0, r1, l1]
    }
}
