//! What symbols cost, in fractions of a bit.

/// Costs are in units of 2^-`FRACTION` bits.
pub(crate) const FRACTION: u32 = 8;
/// One bit.
pub(crate) const BIT: u32 = 1 << FRACTION;

const STEPS: usize = 256;

/// log2(1 + i / STEPS), rounded, in units of 2^-FRACTION.
const LOG: [u16; STEPS + 1] = {
    // By repeated squaring of a fixed-point number in [1, 2): each squaring yields one bit.
    let mut table = [0; STEPS + 1];
    let mut i = 0;
    while i <= STEPS {
        let mut x: u128 = (1 << 60) + ((i as u128) << 60) / STEPS as u128;
        let (mut log, mut bit) = (0u32, 0);
        if x >= 2 << 60 {
            log = 1 << (FRACTION + 4);
            bit = FRACTION + 4;
        }
        while bit < FRACTION + 4 {
            x = (x * x) >> 60;
            log <<= 1;
            if x >= 2 << 60 {
                x >>= 1;
                log |= 1;
            }
            bit += 1;
        }
        table[i] = ((log + 8) >> 4) as u16;
        i += 1;
    }
    table
};

/// log2(x) in units of 2^-FRACTION, for x > 0.
#[inline(always)]
pub(crate) const fn log2(x: u32) -> u32 {
    let top = 31 - (x | 1).leading_zeros();
    let rest = (((x as u64) << (31 - top)) >> (31 - 8)) as usize & (STEPS - 1);
    (top << FRACTION) + LOG[rest] as u32
}

/// log2(x) in units of 2^-FRACTION for x of 1 to 2^23, without a table, so that compilers can take
/// several at once. For 0 it is some number.
///
/// The exponent of x as a number with a floating point is the whole part; the rest is log2(1 + t), which
/// is t + t (1 − t) (a + b t) but for 0.3 units.
#[inline(always)]
pub(crate) fn quick_log2(x: u32) -> i32 {
    const ONE: i32 = 1 << 15;
    const A: i32 = 13_791;
    const B: i32 = -5_124;
    let bits = (x as i32 as f32).to_bits() as i32;
    let t = (bits >> 8) & (ONE - 1);
    let hump = (t * (ONE - t)) >> 15;
    let rest = t + ((hump * (A + ((B * t) >> 15))) >> 15);
    (((bits >> 23) - 127) << FRACTION) + ((rest + (1 << 6)) >> 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms() {
        for x in (1..100_000u32).chain([u32::MAX, 1 << 31]) {
            let exact = f64::from(x).log2() * f64::from(BIT);
            assert!((f64::from(log2(x)) - exact).abs() < 2.1, "{x}");
            if x < 1 << 23 {
                assert!((f64::from(quick_log2(x)) - exact).abs() < 1.1, "{x}");
            }
        }
    }
}
