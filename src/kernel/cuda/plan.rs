//! How attention is cut into blocks and threads: what its kernels are compiled with and launched with.

const COMMON: &str = include_str!("common.cu");
const BY_FMA: &str = include_str!("attention_f32.cu");
const BY_TENSOR_CORES: &str = include_str!("attention_bf16.cu");

/// Largest head that a kernel is compiled for; larger ones would not leave it enough registers.
pub(super) const LARGEST_HEAD: usize = 128;
/// Threads of the f32 kernel that share a row.
const COLUMN_THREADS: u32 = 8;
/// Largest head of which a block is given many keys at a time.
const LARGEST_SHARED_HEAD: u32 = 80;

/// How the two products of attention are computed; all else is f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Products {
    /// Fused multiply-adds of f32.
    F32,
    /// Operands rounded to bf16, summed in f32.
    Bf16,
}

/// Who computes what; the kernels say it in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tiling {
    /// By fused multiply-adds.
    F32 {
        /// Queries of a thread.
        rows: u32,
        /// Threads along the queries.
        row_threads: u32,
        /// Keys of a thread.
        columns: u32,
        /// Groups of threads that share the keys out, 1 or 2.
        groups: u32,
    },
    /// By tensor cores.
    Bf16 {
        /// Warps along the queries, 16 each.
        row_warps: u32,
        /// Warps that share a tile of keys out.
        split: u32,
        /// Keys of a tile.
        keys: u32,
    },
}

/// A kernel of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    /// Channels of a head: a multiple of 4, at most [`LARGEST_HEAD`].
    pub(super) head: u32,
    /// Whether queries and keys are turned as they are read.
    pub(super) is_rotary: bool,
    pub(super) tiling: Tiling,
}

impl Tiling {
    /// For sequences of `length` tokens: what was fastest at every size of `tests::microseconds_beside_products` or near it.
    pub(super) fn best(products: Products, head: u32, length: u32) -> Self {
        let [whole, shared] = Self::of_head(products, head);
        match whole {
            // One tile holds all keys: there is nothing to share out.
            Self::Bf16 { keys, .. } if length <= keys => whole,
            Self::F32 { .. } | Self::Bf16 { .. } => shared,
        }
    }

    /// With a block's keys whole, and shared out where the head leaves registers and memory for it.
    pub(super) fn of_head(products: Products, head: u32) -> [Self; 2] {
        let is_large = head > LARGEST_SHARED_HEAD;
        let f32_with = |groups| Self::F32 {
            rows: 4,
            row_threads: 8,
            columns: 4,
            groups,
        };
        let bf16_with = |row_warps, split| Self::Bf16 {
            row_warps,
            split,
            keys: if is_large { 32 } else { 64 },
        };
        match products {
            Products::F32 => [f32_with(1), f32_with(if is_large { 1 } else { 2 })],
            Products::Bf16 => [bf16_with(4, 1), bf16_with(if is_large { 2 } else { 4 }, 2)],
        }
    }

    /// Queries of a block.
    pub(super) fn queries(self) -> u32 {
        match self {
            Self::F32 {
                rows, row_threads, ..
            } => rows * row_threads,
            Self::Bf16 { row_warps, .. } => 16 * row_warps,
        }
    }

    /// Threads of a block.
    pub(super) fn threads(self) -> u32 {
        match self {
            Self::F32 {
                row_threads, groups, ..
            } => COLUMN_THREADS * row_threads * groups,
            Self::Bf16 { row_warps, split, .. } => 32 * row_warps * split,
        }
    }
}

impl Plan {
    /// Shared memory of a block.
    pub(super) fn shared_bytes(&self) -> u32 {
        match self.tiling {
            Tiling::F32 { columns, groups, .. } => {
                let (queries, keys) = (self.tiling.queries(), COLUMN_THREADS * columns);
                let quads = self.head / 4;
                let padded = quads | 1;
                16 * (queries * padded + groups * (keys * (padded + quads) + queries * (keys + 8) / 4))
            }
            Tiling::Bf16 {
                row_warps,
                split,
                keys,
            } => {
                let channels = self.head.next_multiple_of(16);
                let tiles = 2 * keys * (channels + 8) * 2;
                let left = 4 * (16 * channels + 32) * row_warps * (split - 1);
                tiles.max(left)
            }
        }
    }

    pub(super) fn source(&self) -> String {
        let kernel = match self.tiling {
            Tiling::F32 { .. } => BY_FMA,
            Tiling::Bf16 { .. } => BY_TENSOR_CORES,
        };
        format!("{COMMON}{kernel}")
    }

    /// What the source leaves to be defined.
    pub(super) fn definitions(&self) -> Vec<(&'static str, u32)> {
        let mut all = vec![
            ("HEAD", self.head),
            ("ROTARY", u32::from(self.is_rotary)),
            ("SHARED_BYTES", self.shared_bytes()),
        ];
        match self.tiling {
            Tiling::F32 {
                rows,
                row_threads,
                columns,
                groups,
            } => all.extend([
                ("ROWS", rows),
                ("ROW_THREADS", row_threads),
                ("COLUMNS", columns),
                ("GROUPS", groups),
            ]),
            Tiling::Bf16 {
                row_warps,
                split,
                keys,
            } => all.extend([("ROW_WARPS", row_warps), ("SPLIT", split), ("KEYS", keys)]),
        }
        all
    }
}
