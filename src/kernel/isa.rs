//! Which instructions there are.

use std::sync::OnceLock;

/// Instruction sets that kernels are compiled for, each holding those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Isa(Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Level {
    /// What the target always has.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// With VNNI: products of 8-bit integers.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// With BF16 too: products of bfloat16.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Isa {
    /// What every machine of this target has.
    pub(crate) const PORTABLE: Self = Self(Level::Portable);

    /// The best of this machine.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().pop().unwrap_or(Self::PORTABLE))
    }

    /// All of this machine, the least first. There is no other way to a value, so what one names is there.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn available() -> Vec<Self> {
        let mut levels = vec![Level::Portable];
        let found = [
            (
                Level::Avx2,
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            ),
            (
                Level::Avx512,
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl"),
            ),
            (Level::Avx512Vnni, is_x86_feature_detected!("avx512vnni")),
            (Level::Avx512Bf16, is_x86_feature_detected!("avx512bf16")),
        ];
        levels.extend(
            found
                .into_iter()
                .take_while(|(_, is_there)| *is_there)
                .map(|(level, _)| level),
        );
        levels.into_iter().map(Self).collect()
    }

    /// All of this machine, the least first.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn available() -> Vec<Self> {
        vec![Self::PORTABLE]
    }

    pub(super) fn level(self) -> Level {
        self.0
    }

    /// Whether the kernels have a register tile of their own for these instructions; with others candle's products are
    /// the faster ones.
    pub(crate) fn has_own_tile(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.0 >= Level::Avx512;
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// Whether products of bf16 are faster than those of f32.
    pub(crate) fn has_bf16(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.0 >= Level::Avx512Bf16;
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// Whether there are products of 8-bit integers.
    pub(crate) fn has_int8(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.0 >= Level::Avx512Vnni;
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }
}

/// Compiles a function for each instruction set and calls the version of its first argument's. What it calls becomes
/// part of it only where that is `#[inline(always)]`; closures are not, so no long one should be in it. Generic
/// parameters stand in brackets and have to follow from the arguments.
macro_rules! vectorised {
    (
        $(#[$attribute:meta])*
        fn $name:ident [$($generic:tt)*] ($isa:ident $(, $argument:ident: $type:ty)* $(,)?) $body:block
    ) => {
        $(#[$attribute])*
        #[allow(unsafe_code)] // calls of functions compiled for instructions that were found to be there
        fn $name<$($generic)*>($isa: $crate::kernel::isa::Isa $(, $argument: $type)*) {
            #[inline(always)]
            #[allow(unused_variables)] // few bodies look at their instructions
            fn body<$($generic)*>($isa: $crate::kernel::isa::Isa $(, $argument: $type)*) $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernel::isa::Level;

                #[target_feature(enable = "avx2,fma")]
                fn on_avx2<$($generic)*>($isa: $crate::kernel::isa::Isa $(, $argument: $type)*) {
                    body($isa $(, $argument)*);
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn on_avx512<$($generic)*>($isa: $crate::kernel::isa::Isa $(, $argument: $type)*) {
                    body($isa $(, $argument)*);
                }
                match $isa.level() {
                    Level::Portable => body($isa $(, $argument)*),
                    // SAFETY: a value of this level is only made where the features were detected.
                    Level::Avx2 => unsafe { on_avx2($isa $(, $argument)*) },
                    // SAFETY: as above; every level from here on holds AVX-512.
                    Level::Avx512 | Level::Avx512Vnni | Level::Avx512Bf16 => unsafe {
                        on_avx512($isa $(, $argument)*);
                    },
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            body($isa $(, $argument)*);
        }
    };
}
pub(super) use vectorised;

#[cfg(test)]
mod tests {
    use super::*;

    vectorised! {
        fn add [const N: usize] (isa, values: [f32; N], sum: &mut f32) {
            *sum = values.iter().sum();
        }
    }

    #[test]
    fn every_version_of_a_function_does_the_same() {
        for isa in Isa::available() {
            let mut sum = 0.0;
            add(isa, [1.0, 2.5, 4.0], &mut sum);
            assert_eq!(sum, 7.5);
        }
    }

    #[test]
    fn the_best_is_the_last_of_an_ascending_list() {
        let all = Isa::available();
        assert_eq!(all.first(), Some(&Isa::PORTABLE));
        assert!(all.is_sorted());
        assert_eq!(Isa::best(), *all.last().unwrap());
    }
}
