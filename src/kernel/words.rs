//! Memory that vector loads never find across two cache lines.

/// Bytes of a cache line and of the widest register.
const LINE_BYTES: usize = 64;
const LINE_WORDS: usize = LINE_BYTES / size_of::<u32>();

/// 32-bit words that begin at a cache line. Other number formats are seen through `bytemuck`.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// Holds up to a line more than is used.
    values: Vec<u32>,
    start: usize,
    len: usize,
}

impl Words {
    pub(crate) fn zeroed(len: usize) -> Self {
        let values = vec![0; len + LINE_WORDS];
        let start = values.as_ptr().align_offset(LINE_BYTES).min(LINE_WORDS);
        Self { values, start, len }
    }

    pub(crate) fn get(&self) -> &[u32] {
        self.values
            .get(self.start..self.start + self.len)
            .unwrap_or_default()
    }

    pub(crate) fn get_mut(&mut self) -> &mut [u32] {
        self.values
            .get_mut(self.start..self.start + self.len)
            .unwrap_or_default()
    }

    /// The first `len` words, of which nothing is known; grows where there are fewer.
    pub(crate) fn take(&mut self, len: usize) -> &mut [u32] {
        if len > self.len {
            *self = Self::zeroed(len);
        }
        self.values
            .get_mut(self.start..self.start + len)
            .unwrap_or_default()
    }

    /// As [`Self::take`], seen as floats.
    pub(crate) fn take_f32(&mut self, len: usize) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.take(len))
    }

    /// Memory held, bytes.
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.values.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_begin_at_a_cache_line_and_grow() {
        let mut words = Words::zeroed(5);
        assert_eq!(words.get(), [0; 5]);
        words.get_mut()[4] = 7;
        assert_eq!(words.take(5)[4], 7);
        for len in [0, 1, 100, 3, 4097] {
            let taken = words.take(len);
            assert_eq!(taken.len(), len);
            assert_eq!(taken.as_ptr().align_offset(LINE_BYTES), 0);
        }
        assert!(words.capacity_bytes() >= 4 * 4097);
    }
}
