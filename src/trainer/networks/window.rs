//! Where a kernel reads a picture, padded as TensorFlow's "same": the output has 1/stride of the input's sides, rounded
//! up, and an odd rest of the padding comes last.

/// A square kernel and its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) kernel: usize,
    pub(super) stride: usize,
}

/// Sides, channels and number of maps [B, H, W, C].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) batch: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

/// The part of a kernel that lies inside a picture, along one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// First place of the picture.
    pub(super) start: usize,
    /// Place of the kernel that lies there.
    pub(super) in_kernel: usize,
    pub(super) count: usize,
}

impl Size {
    pub(super) fn places(self) -> usize {
        self.height * self.width
    }

    /// Values of one map.
    pub(super) fn per_map(self) -> usize {
        self.places() * self.channels
    }

    pub(super) fn values(self) -> usize {
        self.batch * self.per_map()
    }
}

impl Window {
    /// Whether the kernel reads one place and moves by one.
    pub(super) fn is_point(self) -> bool {
        self.kernel == 1 && self.stride == 1
    }

    /// A side of the output.
    pub(super) fn output_side(self, side: usize) -> usize {
        side.div_ceil(self.stride.max(1))
    }

    pub(super) fn output_size(self, input: Size, channels: usize) -> Size {
        Size {
            height: self.output_side(input.height),
            width: self.output_side(input.width),
            channels,
            ..input
        }
    }

    /// What output place `place` reads of a side.
    pub(super) fn span(self, side: usize, place: usize) -> Span {
        let reach = self.output_side(side).saturating_sub(1) * self.stride + self.kernel;
        let before = reach.saturating_sub(side) / 2;
        let start = (place * self.stride).saturating_sub(before);
        let in_kernel = before.saturating_sub(place * self.stride);
        Span {
            start,
            in_kernel,
            count: (self.kernel - in_kernel).min(side.saturating_sub(start)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_tensorflows() {
        let window = Window { kernel: 3, stride: 2 };
        // 8 needs one more place, which comes last; 7 needs two, one on each side.
        assert_eq!(window.output_side(8), 4);
        assert_eq!(
            window.span(8, 0),
            Span {
                start: 0,
                in_kernel: 0,
                count: 3
            }
        );
        assert_eq!(window.span(8, 3).count, 2);
        assert_eq!(window.output_side(7), 4);
        assert_eq!(
            window.span(7, 0),
            Span {
                start: 0,
                in_kernel: 1,
                count: 2
            }
        );
        assert_eq!((window.span(7, 3).start, window.span(7, 3).count), (5, 2));
    }

    #[test]
    fn a_step_of_one_keeps_the_side() {
        let window = Window { kernel: 5, stride: 1 };
        for side in 1..9 {
            assert_eq!(window.output_side(side), side);
            let read: usize = (0..side).map(|place| window.span(side, place).count).sum();
            let each_way = (0..side).map(|place| (place + 3).min(side) - place.saturating_sub(2));
            assert_eq!(read, each_way.sum::<usize>());
        }
    }
}
