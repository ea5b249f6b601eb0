use super::Rgb8;

/// In 8-bit steps finer than the eye's, so that both ends are exact.
const WHOLE: u32 = 256;

/// `a` going over to `b`: (1 - `share`) a + `share` b a byte, rounded, where `share` is 0..1 (kept within). 0 gives the
/// bytes of `a`, 1 those of `b`. `None` where the two differ in size.
pub fn blend(a: &Rgb8, b: &Rgb8, share: f32) -> Option<Rgb8> {
    let of_b = (share.clamp(0.0, 1.0) * WHOLE as f32).round() as u32;
    let of_a = WHOLE - of_b;
    if (a.width(), a.height()) != (b.width(), b.height()) {
        return None;
    }
    let mixed =
        |(a, b): (&u8, &u8)| ((u32::from(*a) * of_a + u32::from(*b) * of_b + WHOLE / 2) / WHOLE) as u8;
    let bytes = a.as_bytes().iter().zip(b.as_bytes()).map(mixed).collect();
    Rgb8::new(a.width(), a.height(), bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(bytes: &[u8]) -> Rgb8 {
        Rgb8::new(2, 2, bytes.to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn the_ends_are_the_pictures_and_the_rest_lies_between(
            a in prop::array::uniform12(any::<u8>()),
            b in prop::array::uniform12(any::<u8>()),
            share in 0.0_f32..=1.0,
        ) {
            let (first, second) = (picture(&a), picture(&b));
            prop_assert_eq!(blend(&first, &second, 0.0), Some(first.clone()));
            prop_assert_eq!(blend(&first, &second, 1.0), Some(second.clone()));
            let mixed = blend(&first, &second, share).unwrap();
            for ((mixed, a), b) in mixed.as_bytes().iter().zip(a).zip(b) {
                let exact = f32::from(a) + share * (f32::from(b) - f32::from(a));
                prop_assert!((f32::from(*mixed) - exact).abs() <= 1.0, "{mixed} is not {exact}");
            }
        }
    }

    #[test]
    fn pictures_of_different_sizes_do_not_blend() {
        assert_eq!(
            blend(&Rgb8::filled(2, 1, [0; 3]), &Rgb8::filled(1, 2, [0; 3]), 0.5),
            None
        );
    }
}
