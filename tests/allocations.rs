//! What a pass allocates once its memory is there: nothing between its blocks, and few pieces where it begins and ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test stops at the first surprise
#![allow(unsafe_code)] // an allocator that counts has to be one

use candle_core::{DType, Device, Tensor};
use softscope::tokenizer::{ModelFiles, NoHook, PassHook, Stage, Tokenizer, TokenizerError};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

/// Where a decode begins and ends, candle's tensors are made: a few pieces each, however many blocks there are.
const MOST_TO_DECODE: usize = 64;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator; counts what each thread asks it for.
struct Counting;

// SAFETY: every call is the system allocator's, with its arguments as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is that of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Notes the count at every stage.
#[derive(Default)]
struct Watch {
    counts: Vec<(Stage, usize)>,
}

impl PassHook for Watch {
    fn reads_outputs(&self) -> bool {
        false
    }

    fn after(&mut self, stage: Stage, _output: &Tensor) -> Result<(), TokenizerError> {
        self.counts.push((stage, COUNT.get()));
        Ok(())
    }
}

impl Watch {
    /// Allocations between the first and the last block.
    fn between_blocks(&self) -> usize {
        let blocks: Vec<usize> = self
            .counts
            .iter()
            .filter(|(stage, _)| matches!(stage, Stage::EncoderBlock(_) | Stage::DecoderBlock(_)))
            .map(|(_, count)| *count)
            .collect();
        assert!(blocks.len() > 2);
        blocks.last().unwrap() - blocks.first().unwrap()
    }

    fn with_room() -> Self {
        Self {
            counts: Vec::with_capacity(64),
        }
    }
}

/// Allocations of a whole pass, and of its blocks; those before it have made its memory.
fn count(pass: impl Fn(&mut dyn PassHook) -> Tensor) -> (usize, usize) {
    for _ in 0..3 {
        drop(pass(&mut NoHook));
    }
    let mut watch = Watch::with_room();
    let before = COUNT.get();
    drop(pass(&mut watch));
    (COUNT.get() - before, watch.between_blocks())
}

#[test]
fn a_pass_allocates_nothing_between_its_blocks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/softscope-32");
    let files = ModelFiles::locate(&folder).unwrap();
    // All of a pass runs on one thread, so that its count is everything.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        for dtype in [DType::F32, DType::BF16] {
            let tokenizer = Tokenizer::load(&files, &Device::Cpu, dtype, &mut |_, _| true).unwrap();
            let side = tokenizer.args().image_size;
            let picture = Tensor::zeros((1, 3, side, side), DType::F32, &Device::Cpu).unwrap();
            let z = tokenizer.encode(&picture, &mut NoHook).unwrap().z;
            let (encode, in_encoder) = count(|hook| tokenizer.encode(&picture, hook).unwrap().z);
            let (decode, in_decoder) = count(|hook| tokenizer.decode(&z, hook).unwrap());
            let (preview, in_preview) = count(|hook| tokenizer.decode_preview(&z, hook).unwrap());
            println!("{dtype:?}: {encode} allocations to encode, {decode} to decode, {preview} in 8 bits");
            // Without kernels of its own, candle's operations allocate each its result.
            if !cfg!(target_arch = "x86_64") || !is_x86_feature_detected!("avx512vnni") {
                continue;
            }
            assert_eq!([in_encoder, in_decoder, in_preview], [0; 3]);
            assert!(decode.max(preview) <= MOST_TO_DECODE, "{decode} and {preview}");
        }
    });
}
