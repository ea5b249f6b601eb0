//! SHA-1 (RFC 3174), which git names its files by. It guards against damage here, not against a forger.

const BLOCK_BYTES: usize = 64;
/// Where the padding of the last block ends and the message's length begins.
const LENGTH_AT: usize = 56;

/// A running digest.
#[derive(Clone)]
pub(super) struct Sha1 {
    state: [u32; 5],
    /// Bytes that do not fill a block yet.
    waiting: Vec<u8>,
    length_bytes: u64,
}

impl Sha1 {
    pub(super) fn new() -> Self {
        Self {
            state: [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0],
            waiting: Vec::with_capacity(BLOCK_BYTES),
            length_bytes: 0,
        }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.length_bytes += bytes.len() as u64;
        if !self.waiting.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.waiting.len()));
            self.waiting.extend_from_slice(head);
            bytes = rest;
            if let Some(block) = self.waiting.first_chunk() {
                compress(&mut self.state, block);
                self.waiting.clear();
            }
        }
        let (blocks, rest) = bytes.as_chunks();
        for block in blocks {
            compress(&mut self.state, block);
        }
        self.waiting.extend_from_slice(rest);
    }

    /// 40 hex digits, in lower case.
    pub(super) fn finish(mut self) -> String {
        let length_bits = self.length_bytes * 8;
        self.update(&[0x80]);
        while self.waiting.len() != LENGTH_AT {
            self.update(&[0]);
        }
        self.update(&length_bits.to_be_bytes());
        self.state.iter().map(|word| format!("{word:08x}")).collect()
    }
}

fn compress(state: &mut [u32; 5], block: &[u8; BLOCK_BYTES]) {
    // The 80 words of the schedule need only the last 16 at a time.
    let mut words = [0_u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for round in 0..80 {
        let at = |back: usize| (round + 16 - back) % 16;
        if round >= 16 {
            let mixed = words[at(3)] ^ words[at(8)] ^ words[at(14)] ^ words[at(16)];
            words[at(16)] = mixed.rotate_left(1);
        }
        let (chosen, constant) = match round {
            0..20 => ((b & c) | (!b & d), 0x5A82_7999),
            20..40 => (b ^ c ^ d, 0x6ED9_EBA1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
            _ => (b ^ c ^ d, 0xCA62_C1D6),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(chosen)
            .wrapping_add(e)
            .wrapping_add(constant)
            .wrapping_add(words[at(16)]);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (sum, word) in state.iter_mut().zip([a, b, c, d, e]) {
        *sum = sum.wrapping_add(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(pieces: &[&[u8]]) -> String {
        let mut sha1 = Sha1::new();
        for piece in pieces {
            sha1.update(piece);
        }
        sha1.finish()
    }

    #[test]
    fn the_vectors_of_the_standard() {
        assert_eq!(digest(&[b""]), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(digest(&[b"abc"]), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(digest(&[two_blocks]), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(
            digest(&[&vec![b'a'; 1_000_000]]),
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f"
        );
    }

    #[test]
    fn pieces_do_not_matter() {
        let bytes: Vec<u8> = (0..300_u32).map(|value| value as u8).collect();
        let whole = digest(&[&bytes]);
        for cut in [1, 55, 56, 63, 64, 65, 128, 299] {
            assert_eq!(digest(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
    }
}
