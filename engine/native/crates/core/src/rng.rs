//! Random numbers that are a function of their place, not of the order in which they are drawn: Philox 4x32 with ten
//! rounds (Salmon et al. 2011). So no draw depends on threads, on a resume, or on what else was drawn.

/// What a stream of numbers is used for; streams of different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights; `index` is the tensor.
    Initial = 1,
    /// Dropout masks; `index` is the layer.
    Dropout = 2,
    /// Order of the windows of an epoch.
    Shuffle = 3,
    /// Sampling of tokens.
    Sample = 4,
    /// Masks of recurrent weights; `index` is the layer and direction.
    WeightDrop = 20,
    /// Which units keep their states; `index` is the layer, direction and state.
    Zoneout = 21,
    /// Which tokens have no embedding in an update.
    EmbeddingDropout = 22,
}

/// A family of numbers, addressed by four counters.
#[derive(Debug, Clone, Copy)]
pub struct Rng {
    key: [u32; 2],
}

impl Rng {
    pub fn new(seed: u64, purpose: Purpose, index: u32) -> Self {
        let key = mix(seed ^ mix(((purpose as u64) << 32) | index as u64));
        Rng { key: [key as u32, (key >> 32) as u32] }
    }

    /// Four independent 32-bit numbers for one counter.
    #[inline]
    pub fn block(&self, counter: [u32; 4]) -> [u32; 4] {
        let mut c = counter;
        let mut k = self.key;
        for _ in 0..10 {
            let a = c[0] as u64 * 0xD251_1F53;
            let b = c[2] as u64 * 0xCD9E_8D57;
            c = [(b >> 32) as u32 ^ c[1] ^ k[0], b as u32, (a >> 32) as u32 ^ c[3] ^ k[1], a as u32];
            k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
        }
        c
    }

    /// Number `index` of the stream as 64 bits.
    pub fn bits(&self, index: u64) -> u64 {
        let c = self.block([index as u32, (index >> 32) as u32, 0, 0]);
        c[0] as u64 | ((c[1] as u64) << 32)
    }

    /// Number `index` of the stream, uniform in [0, 1).
    pub fn uniform(&self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Number `index` of the stream, standard normal (Box and Muller).
    pub fn normal(&self, index: u64) -> f64 {
        let c = self.block([index as u32, (index >> 32) as u32, 1, 0]);
        let unit = |low: u32, high: u32| ((low as u64 | ((high as u64) << 32)) >> 11) as f64 / (1u64 << 53) as f64;
        let radius = (-2.0 * (1.0 - unit(c[0], c[1])).ln()).sqrt();
        radius * (std::f64::consts::TAU * unit(c[2], c[3])).cos()
    }
}

/// The finaliser of SplitMix64: a bijection that spreads every bit.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of Philox 4x32-10 published with Random123.
    #[test]
    fn known_answers() {
        let zero = Rng { key: [0, 0] };
        assert_eq!(zero.block([0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = Rng { key: [u32::MAX; 2] };
        assert_eq!(ones.block([u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = Rng { key: [0xa409_3822, 0x299f_31d0] };
        let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(pi.block(counter), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let rng = Rng::new(7, Purpose::Initial, 3);
        let n = 100_000;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| rng.uniform(i)) - 0.5).abs() < 0.005);
        assert!(mean(&|i| rng.normal(i)).abs() < 0.015);
        assert!((mean(&|i| rng.normal(i).powi(2)) - 1.0).abs() < 0.02);
        let other = Rng::new(7, Purpose::Initial, 4);
        assert!((0..100).all(|i| rng.bits(i) != other.bits(i)));
    }
}
