//! Attention by the kernels beside attention in f64, where `SOFTSCOPE_TEST_DEVICE` names a CUDA device.

use super::attention::{Attention, attention, mix};
use super::plan::{Products, Tiling};
use candle_core::cuda_backend::cudarc::driver::{LaunchConfig, PushKernelArg};
use candle_core::cuda_backend::cudarc::nvrtc::{Ptx, compile_ptx};
use candle_core::{D, Device, Tensor};
use candle_nn::ops;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Instant;

/// Half the distance between neighbouring numbers over their size.
const F32_ROUNDING: f64 = 1.0 / (1_u64 << 24) as f64;
const BF16_ROUNDING: f64 = 1.0 / 256.0;

fn gpu() -> Option<Device> {
    static STARTED: OnceLock<Option<Device>> = OnceLock::new();
    let start = || {
        if std::env::var("SOFTSCOPE_TEST_DEVICE").as_deref() != Ok("cuda") {
            let _ = writeln!(std::io::stderr(), "SKIPPED: SOFTSCOPE_TEST_DEVICE is not cuda");
            return None;
        }
        Some(Device::new_cuda_with_stream(0).unwrap())
    };
    STARTED.get_or_init(start).clone()
}

/// Sizes of an attention, and how large its queries are.
#[derive(Debug, Clone, Copy)]
struct Case {
    batch: usize,
    heads: usize,
    length: usize,
    head: usize,
    largest_query: f32,
    is_rotary: bool,
}

impl Case {
    const fn new(batch: usize, length: usize, head: usize) -> Self {
        Self {
            batch,
            heads: 2,
            length,
            head,
            largest_query: 1.0,
            is_rotary: false,
        }
    }

    fn scale(&self) -> f64 {
        (self.head as f64).powf(-0.5)
    }

    /// [3, B, heads, T, head size], as a product for queries, keys and values leaves it.
    fn parts(&self) -> Tensor {
        let dims = (self.batch, self.length, 3, self.heads, self.head);
        let parts = wave(dims, 1).permute((2, 0, 3, 1, 4)).unwrap();
        let query = (parts.get(0).unwrap() * f64::from(self.largest_query)).unwrap();
        let parts = Tensor::stack(&[query, parts.get(1).unwrap(), parts.get(2).unwrap()], 0).unwrap();
        // [B, T, 3, heads, head size] in memory.
        let parts = parts.permute((1, 3, 0, 2, 4)).unwrap().contiguous().unwrap();
        parts.permute((2, 0, 3, 1, 4)).unwrap()
    }

    /// Cosines and sines.
    fn tables(&self) -> Option<(Tensor, Tensor)> {
        let angles = (wave((self.heads, self.length, self.head / 2), 2) * 7.0).unwrap();
        self.is_rotary
            .then(|| (angles.cos().unwrap(), angles.sin().unwrap()))
    }
}

/// Values between -1 and 1 that look like noise.
fn wave(shape: impl Into<candle_core::Shape>, seed: u64) -> Tensor {
    let shape = shape.into();
    let mut state = seed;
    let values: Vec<f32> = (0..shape.elem_count())
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// [B, heads, T, head size] as rows in f64.
fn rows(tensor: &Tensor) -> Vec<Vec<f64>> {
    let width = tensor.dim(D::Minus1).unwrap();
    let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    let values: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
    values.chunks(width).map(<[f64]>::to_vec).collect()
}

fn turn(rows: &mut [Vec<f64>], (cosines, sines): &(Tensor, Tensor)) {
    let (cosines, sines) = (self::rows(cosines), self::rows(sines));
    for (index, row) in rows.iter_mut().enumerate() {
        let (cosines, sines) = (&cosines[index % cosines.len()], &sines[index % sines.len()]);
        for (pair, (cosine, sine)) in row.chunks_exact_mut(2).zip(cosines.iter().zip(sines)) {
            let (x, y) = (pair[0], pair[1]);
            pair[0] = x * cosine - y * sine;
            pair[1] = x * sine + y * cosine;
        }
    }
}

fn largest_norm(rows: &[Vec<f64>]) -> f64 {
    let norms = rows
        .iter()
        .map(|row| row.iter().map(|value| value * value).sum::<f64>().sqrt());
    norms.fold(0.0, f64::max)
}

/// What is expected, [B, T, heads * head size], and the largest score there can be.
fn expected(case: &Case, parts: &Tensor) -> (Vec<f64>, f64) {
    let part = |index: usize| rows(&parts.get(index).unwrap());
    let (mut query, mut key, value) = (part(0), part(1), part(2));
    if let Some(tables) = case.tables() {
        turn(&mut query, &tables);
        turn(&mut key, &tables);
    }
    let mut out = vec![0.0; query.len() * case.head];
    for (index, query) in query.iter().enumerate() {
        let (sequence, token) = (index / case.length, index % case.length);
        let of_head = |rows: &[Vec<f64>]| rows[sequence * case.length..][..case.length].to_vec();
        let keys = of_head(&key);
        let scores: Vec<f64> = keys
            .iter()
            .map(|key| query.iter().zip(key).map(|(x, y)| x * y).sum::<f64>() * case.scale())
            .collect();
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let (picture, head) = (sequence / case.heads, sequence % case.heads);
        let start = ((picture * case.length + token) * case.heads + head) * case.head;
        for (weight, value) in weights.iter().zip(&value[sequence * case.length..]) {
            for (out, value) in out[start..].iter_mut().zip(value) {
                *out += weight / sum * value;
            }
        }
    }
    (out, largest_norm(&query) * largest_norm(&key) * case.scale())
}

/// Sums of n terms are off by n roundings at most, and by the root of n as a rule; an error of a score is one of its weight,
/// relatively, and weights stand above and below the line.
struct Tolerance {
    most: f64,
    relative_rms: f64,
}

impl Tolerance {
    fn new(case: &Case, products: Products, largest_score: f64) -> Self {
        let (head, length) = (case.head as f64, case.length as f64);
        let mut most = F32_ROUNDING * (2.0 * (head + 12.0) * largest_score + length + 16.0);
        let mut relative_rms = F32_ROUNDING * 4.0 * (head + length).sqrt() * (1.0 + largest_score);
        if products == Products::Bf16 {
            // Queries and keys before scores, weights and values before their sums.
            most += BF16_ROUNDING * (4.0 * largest_score + 2.0);
            relative_rms += BF16_ROUNDING * (2.0 * largest_score * largest_score / head + 2.0).sqrt();
        }
        Self { most, relative_rms }
    }

    fn check(&self, found: &Tensor, expected: &[f64], what: &str) {
        let found: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(found.len(), expected.len(), "{what}");
        let (mut most, mut squares, mut size) = (0.0_f64, 0.0, 0.0);
        for (found, expected) in found.iter().zip(expected) {
            let difference = (f64::from(*found) - expected).abs();
            assert!(!difference.is_nan(), "{what}: {found}");
            most = most.max(difference);
            squares += difference * difference;
            size += expected * expected;
        }
        let relative_rms = (squares / size).sqrt();
        assert!(
            most <= self.most && relative_rms <= self.relative_rms,
            "{what}: off by {most:e} ({relative_rms:e} of the whole), allowed are {:e} ({:e})",
            self.most,
            self.relative_rms
        );
    }
}

/// Leaves numbers that are none in the shared memory of every multiprocessor: what a kernel reads without having written
/// it is to be seen.
#[allow(unsafe_code)] // a launch
fn poison(device: &Device) {
    const BYTES: u32 = 48 * 1024;
    const SOURCE: &str = "extern \"C\" __global__ void poison(unsigned count) {
        extern __shared__ volatile unsigned words[];
        for (unsigned at = threadIdx.x; at < count; at += blockDim.x)
            words[at] = 0x7fc00000;
    }";
    static PTX: OnceLock<Ptx> = OnceLock::new();
    let Device::Cuda(cuda) = device else {
        return;
    };
    let stream = cuda.cuda_stream();
    let ptx = PTX.get_or_init(|| compile_ptx(SOURCE).unwrap()).clone();
    let module = stream.context().load_module(ptx).unwrap();
    let function = module.load_function("poison").unwrap();
    let config = LaunchConfig {
        // More than there is room for at a time.
        grid_dim: (4096, 1, 1),
        block_dim: (256, 1, 1),
        shared_mem_bytes: BYTES,
    };
    // SAFETY: the kernel takes one count, of words that it was given.
    unsafe { stream.launch_builder(&function).arg(&(BYTES / 4)).launch(config) }.unwrap();
}

/// Both ways of cutting it, and the one chosen, against f64.
fn check(case: Case) {
    let Some(device) = gpu() else {
        return;
    };
    let parts = case.parts();
    let (expected, largest_score) = expected(&case, &parts);
    let on_gpu = |tensor: &Tensor| tensor.to_device(&device).unwrap();
    let parts = on_gpu(&parts.permute((1, 3, 0, 2, 4)).unwrap().contiguous().unwrap());
    let parts = parts.permute((2, 0, 3, 1, 4)).unwrap();
    let [query, key, value] = [0, 1, 2].map(|index| parts.get(index).unwrap());
    let tables = case
        .tables()
        .map(|(cosines, sines)| (on_gpu(&cosines), on_gpu(&sines)));
    for products in [Products::F32, Products::Bf16] {
        let how = Attention {
            scale: case.scale(),
            rotation: tables.as_ref().map(|(cosines, sines)| (cosines, sines)),
            products,
        };
        let tolerance = Tolerance::new(&case, products, largest_score);
        for tiling in Tiling::of_head(products, case.head as u32) {
            poison(&device);
            let found = mix(&query, &key, &value, &how, tiling)
                .unwrap()
                .expect("a kernel");
            assert_eq!(found.dims(), [case.batch, case.length, case.heads * case.head]);
            tolerance.check(&found, &expected, &format!("{case:?} by {tiling:?}"));
        }
        let found = attention(&query, &key, &value, how).unwrap().expect("a kernel");
        tolerance.check(&found, &expected, &format!("{case:?} in {products:?}"));
    }
}

#[test]
fn it_is_the_softmax_mean_of_values() {
    for length in [1, 2, 9, 17, 31, 32, 33, 49, 64, 65, 289, 321] {
        check(Case::new(1, length, 64));
    }
    check(Case::new(1, 1024, 64));
    for head in [4, 8, 12, 16, 32, 48, 72, 80, 96, 128] {
        check(Case::new(3, 33, head));
        check(Case::new(1, 97, head));
    }
    check(Case {
        heads: 16,
        ..Case::new(9, 65, 64)
    });
}

#[test]
fn large_scores_do_not_overflow() {
    for length in [33, 289] {
        check(Case {
            largest_query: 20.0,
            ..Case::new(2, length, 64)
        });
    }
}

#[test]
fn queries_and_keys_are_turned_as_they_are_read() {
    for (length, head) in [(1, 64), (65, 64), (289, 64), (33, 12), (97, 72)] {
        check(Case {
            is_rotary: true,
            ..Case::new(2, length, head)
        });
    }
}

#[test]
fn what_cannot_be_read_where_it_lies_is_copied() {
    let Some(device) = gpu() else {
        return;
    };
    let case = Case::new(2, 33, 16);
    let parts = case.parts();
    let (expected, largest_score) = expected(&case, &parts);
    // One channel more in front: nothing begins at a multiple of 16 bytes.
    let wider = parts
        .pad_with_zeros(D::Minus1, 1, 0)
        .unwrap()
        .to_device(&device)
        .unwrap();
    let parts = wider.narrow(D::Minus1, 1, 16).unwrap();
    let [query, key, value] = [0, 1, 2].map(|index| parts.get(index).unwrap());
    let how = Attention {
        scale: case.scale(),
        rotation: None,
        products: Products::F32,
    };
    let found = attention(&query, &key, &value, how).unwrap().expect("a kernel");
    Tolerance::new(&case, Products::F32, largest_score).check(&found, &expected, "copied");
}

#[test]
fn heads_without_a_kernel_are_left_to_products() {
    let Some(device) = gpu() else {
        return;
    };
    let how = Attention {
        scale: 1.0,
        rotation: None,
        products: Products::F32,
    };
    for head in [6, 132] {
        let x = wave((1, 2, 5, head), 1).to_device(&device).unwrap();
        assert!(attention(&x, &x, &x, how).unwrap().is_none(), "{head}");
    }
}

/// Attention as it is without a kernel.
fn by_products(parts: &Tensor, scale: f64) -> Tensor {
    let parts = parts.contiguous().unwrap();
    let [query, key, value] = [0, 1, 2].map(|index| parts.get(index).unwrap());
    let scores = (query * scale)
        .unwrap()
        .matmul(&key.transpose(2, 3).unwrap())
        .unwrap();
    let mixed = ops::softmax_last_dim(&scores).unwrap().matmul(&value).unwrap();
    mixed.transpose(1, 2).unwrap().flatten_from(2).unwrap()
}

/// Best of some turns, in microseconds, with many runs in the queue at a time.
fn best_us(device: &Device, rounds: usize, mut run: impl FnMut()) -> f64 {
    const RUNS: u32 = 60;
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        run();
        device.synchronize().unwrap();
        let started = Instant::now();
        for _ in 0..RUNS {
            run();
        }
        device.synchronize().unwrap();
        best = best.min(started.elapsed().as_secs_f64() * 1e6 / f64::from(RUNS));
    }
    best
}

/// Time of attention in each of several ways beside the two products: what tilings are chosen by. With
/// `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn microseconds_beside_products() {
    let Some(device) = gpu() else {
        return;
    };
    let f32_with = |(rows, row_threads, columns, groups)| Tiling::F32 {
        rows,
        row_threads,
        columns,
        groups,
    };
    let bf16_with = |(row_warps, split, keys)| Tiling::Bf16 {
        row_warps,
        split,
        keys,
    };
    let in_f32 = [
        (4, 8, 4, 2),
        (4, 8, 4, 1),
        (4, 8, 8, 1),
        (4, 8, 8, 2),
        (4, 16, 4, 1),
        (8, 8, 4, 1),
        (8, 8, 4, 2),
        (8, 8, 8, 1),
        (8, 16, 4, 1),
    ]
    .map(f32_with);
    let in_bf16 = [
        (2, 2, 64),
        (1, 4, 64),
        (2, 1, 64),
        (2, 1, 32),
        (4, 1, 64),
        (4, 2, 64),
        (8, 1, 64),
    ]
    .map(bf16_with);
    for (name, batch, length, heads, head) in [
        ("b-32", 1, 289, 12, 64),
        ("l-64", 1, 321, 16, 64),
        ("l-64", 9, 321, 16, 64),
        ("1024", 1, 1024, 16, 64),
        ("SiT-XL", 2, 64, 16, 72),
    ] {
        let case = Case {
            heads,
            ..Case::new(batch, length, head)
        };
        let parts = wave((batch, length, 3, heads, head), 3)
            .to_device(&device)
            .unwrap();
        let parts = parts.permute((2, 0, 3, 1, 4)).unwrap();
        let [query, key, value] = [0, 1, 2].map(|index| parts.get(index).unwrap());
        let products_us = best_us(&device, 4, || drop(by_products(&parts, case.scale())));
        println!("{name} {batch} x {length} x {heads} x {head}: products {products_us:.1} us");
        for tiling in in_f32.iter().chain(&in_bf16) {
            let how = Attention {
                scale: case.scale(),
                rotation: None,
                products: Products::F32,
            };
            let us = best_us(&device, 4, || {
                mix(&query, &key, &value, &how, *tiling)
                    .unwrap()
                    .expect("a kernel");
            });
            println!("  {us:7.1}  {tiling:?}");
        }
    }
}
