//! Which vector instructions to use. Three paths: AVX-512, AVX2 with FMA, and portable Rust.
//!
//! `CONSORT_ISA=avx512|avx2|portable` narrows the choice; a path the processor lacks is never chosen.

/// An instruction-set path. Results are bit-identical within one path, and agree to tolerance between paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// No intrinsics; whatever the compiler makes of plain loops.
    Portable,
    /// 8 lanes of f32, fused multiply-add.
    Avx2,
    /// 16 lanes of f32, masks.
    Avx512,
}

impl Isa {
    /// The best path of this processor.
    pub fn best() -> Isa {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("fma")
            {
                return Isa::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Isa::Avx2;
            }
        }
        Isa::Portable
    }

    /// Every path this processor can run, slowest first.
    pub fn available() -> impl Iterator<Item = Isa> {
        [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| *isa <= Isa::best())
    }

    /// The path named by `CONSORT_ISA`, or the best; never one that the processor lacks.
    pub fn from_env() -> Isa {
        let named = match std::env::var("CONSORT_ISA").as_deref() {
            Ok("portable") => Isa::Portable,
            Ok("avx2") => Isa::Avx2,
            _ => Isa::Avx512,
        };
        named.min(Isa::best())
    }
}
