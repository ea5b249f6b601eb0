//! Products of the models' shapes: the kernels beside the products of candle, gemmkit and rten-gemm, by turns in one
//! run, each at its best. What each library can prepare of a weight is prepared; the kernels' time includes their bias,
//! and in 8 bits the scales that make floats of sums. gemmkit's bf16 products round their sums to bf16; rten-gemm has
//! none of bf16.
//!
//!     cargo bench --bench products

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a measurement stops at the first surprise

use candle_core::{DType, Device, Tensor};
use gemmkit::{
    MatMut, MatRef, Parallelism, bf16, gemm_i8_packed_b, gemm_packed_a, prepack_lhs, prepack_rhs_i8,
};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, QuantParams};
use rten_tensor::NdTensorView;
use softscope::bench::{LinearProduct, ProductFormat};
use std::time::{Duration, Instant};

/// Rows, inner size, columns: layers of softvq-b-32's encoder and softvq-l-64's decoder with one picture.
const SHAPES: [(usize, usize, usize); 4] = [
    (97, 768, 768),
    (97, 768, 3072),
    (321, 1024, 1024),
    (321, 1024, 4096),
];
const FORMATS: [ProductFormat; 3] = [ProductFormat::F32, ProductFormat::Bf16, ProductFormat::Int8];
/// Time for each shape and format, all libraries together.
const BUDGET: Duration = Duration::from_secs(2);
/// Largest difference from the product in f64, as a share of the largest result: f32, bf16, 8 bits.
const TOLERANCES: [f64; 3] = [1e-5, 2e-2, 2e-2];

/// Values between -1 and 1 that look like noise.
fn wave(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0)
        .collect()
}

/// A library's product.
struct Contender<'a> {
    name: &'static str,
    run: Box<dyn FnMut() + 'a>,
    best_s: f64,
}

impl<'a> Contender<'a> {
    fn new(name: &'static str, run: impl FnMut() + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
            best_s: f64::INFINITY,
        }
    }
}

struct Operands {
    rows: usize,
    inner: usize,
    columns: usize,
    /// [rows, inner].
    x: Vec<f32>,
    /// [columns, inner].
    weight: Vec<f32>,
}

impl Operands {
    fn new((rows, inner, columns): (usize, usize, usize)) -> Self {
        Self {
            rows,
            inner,
            columns,
            x: wave(rows * inner, 1),
            weight: wave(columns * inner, 2),
        }
    }

    /// Stops where a result is not the product.
    fn check(&self, found: impl Fn(usize, usize) -> f64, format: ProductFormat, name: &str) {
        let row_of = |values: &[f32], row: usize| -> Vec<f64> {
            values[row * self.inner..][..self.inner]
                .iter()
                .map(|value| f64::from(*value))
                .collect()
        };
        let (mut largest, mut furthest) = (0.0_f64, 0.0_f64);
        for row in (0..self.rows).step_by(17) {
            let x = row_of(&self.x, row);
            for column in (0..self.columns).step_by(29) {
                let weight = row_of(&self.weight, column);
                let expected: f64 = x.iter().zip(&weight).map(|(x, weight)| x * weight).sum();
                largest = largest.max(expected.abs());
                furthest = furthest.max((found(row, column) - expected).abs());
            }
        }
        let tolerance = TOLERANCES[FORMATS.iter().position(|known| *known == format).unwrap()];
        assert!(
            furthest <= tolerance * largest,
            "{name} in {format:?} is off by {furthest} where {largest} is the largest"
        );
    }

    fn kernels(&self, format: ProductFormat) -> Contender<'_> {
        let mut product = LinearProduct::new(format, self.inner, &self.x, &self.weight);
        product.run();
        let output = product.output();
        let found = |row, column| f64::from(output[row * self.columns + column]);
        self.check(found, format, "kernels");
        Contender::new("kernels", move || product.run())
    }

    /// candle's product with its weight laid out as it reads it fastest.
    fn candle(&self, dtype: DType, format: ProductFormat) -> Contender<'_> {
        let tensor = |values: &[f32], rows| {
            let tensor = Tensor::from_slice(values, (rows, self.inner), &Device::Cpu).unwrap();
            tensor.to_dtype(dtype).unwrap()
        };
        let x = tensor(&self.x, self.rows);
        let weight = tensor(&self.weight, self.columns)
            .t()
            .unwrap()
            .contiguous()
            .unwrap();
        let output = x.matmul(&weight).unwrap().to_dtype(DType::F32).unwrap();
        let output = output.to_vec2::<f32>().unwrap();
        self.check(|row, column| f64::from(output[row][column]), format, "candle");
        Contender::new("candle", move || drop(x.matmul(&weight).unwrap()))
    }

    fn gemmkit_f32(&self) -> Contender<'_> {
        let packed = prepack_lhs(MatRef::from_row_major(&self.weight, self.columns, self.inner));
        let mut out = vec![0.0; self.columns * self.rows];
        let run = move |out: &mut [f32]| {
            let x = MatRef::from_col_major(&self.x, self.inner, self.rows);
            let out = MatMut::from_row_major(out, self.columns, self.rows);
            gemm_packed_a(1.0, &packed, x, 0.0, out, Parallelism::Rayon(0));
        };
        run(&mut out);
        let found = |row, column| f64::from(out[column * self.rows + row]);
        self.check(found, ProductFormat::F32, "gemmkit");
        Contender::new("gemmkit", move || run(&mut out))
    }

    fn gemmkit_bf16(&self) -> Contender<'_> {
        let rounded = |values: &[f32]| -> Vec<bf16> { values.iter().copied().map(bf16::from_f32).collect() };
        let (x, weight) = (rounded(&self.x), rounded(&self.weight));
        let packed = prepack_lhs(MatRef::from_row_major(&weight, self.columns, self.inner));
        let mut out = vec![bf16::ZERO; self.columns * self.rows];
        let run = move |out: &mut [bf16]| {
            let x = MatRef::from_col_major(&x, self.inner, self.rows);
            let out = MatMut::from_row_major(out, self.columns, self.rows);
            gemm_packed_a(bf16::ONE, &packed, x, bf16::ZERO, out, Parallelism::Rayon(0));
        };
        run(&mut out);
        let found = |row: usize, column: usize| f64::from(out[column * self.rows + row].to_f32());
        self.check(found, ProductFormat::Bf16, "gemmkit");
        Contender::new("gemmkit", move || run(&mut out))
    }

    /// Signed values on both sides, 127 for 1.
    fn gemmkit_int8(&self) -> Contender<'_> {
        const UNIT: f32 = 127.0;
        let rounded =
            |values: &[f32]| -> Vec<i8> { values.iter().map(|value| (value * UNIT).round() as i8).collect() };
        let (x, weight) = (rounded(&self.x), rounded(&self.weight));
        let packed = prepack_rhs_i8(MatRef::from_col_major(&weight, self.inner, self.columns));
        let mut out = vec![0; self.rows * self.columns];
        let run = move |out: &mut [i32]| {
            let x = MatRef::from_row_major(&x, self.rows, self.inner);
            let out = MatMut::from_col_major(out, self.rows, self.columns);
            gemm_i8_packed_b(1, x, &packed, 0, out, Parallelism::Rayon(0));
        };
        run(&mut out);
        let found = |row, column| f64::from(out[column * self.rows + row]) / f64::from(UNIT * UNIT);
        self.check(found, ProductFormat::Int8, "gemmkit");
        Contender::new("gemmkit", move || run(&mut out))
    }

    fn rten_f32(&self) -> Contender<'_> {
        let library = GemmExecutor::<f32>::default();
        let weight = NdTensorView::from_data([self.columns, self.inner], self.weight.as_slice());
        let packed = library.prepack_b(weight.transposed());
        let mut out = vec![0.0; self.rows * self.columns];
        let run = move |out: &mut [f32]| {
            let x = NdTensorView::from_data([self.rows, self.inner], self.x.as_slice());
            let (x, weight) = (GemmInputA::Unpacked(x), GemmInputB::Packed(&packed));
            library.gemm(out, x, weight, GemmOptions::default()).unwrap();
        };
        run(&mut out);
        let found = |row, column| f64::from(out[row * self.columns + column]);
        self.check(found, ProductFormat::F32, "rten");
        Contender::new("rten", move || run(&mut out))
    }

    /// Signed weights and activations without a sign, 127 for 1 and 128 for 0, as the kernels have them.
    fn rten_int8(&self) -> Contender<'_> {
        const UNIT: f32 = 127.0;
        const ZERO: u8 = 128;
        let level = |value: &f32| (value * UNIT).round() as i8;
        let x: Vec<u8> = self
            .x
            .iter()
            .map(|value| ZERO.wrapping_add_signed(level(value)))
            .collect();
        let weight: Vec<i8> = self.weight.iter().map(level).collect();
        let library = GemmExecutor::<u8, i8, i32>::default();
        let weight = NdTensorView::from_data([self.columns, self.inner], weight.as_slice());
        let packed = library.prepack_b(weight.transposed());
        let zeros = vec![ZERO; self.rows];
        let mut out = vec![0; self.rows * self.columns];
        let run = move |out: &mut [i32]| {
            let x = NdTensorView::from_data([self.rows, self.inner], x.as_slice());
            let (x, weight) = (GemmInputA::Unpacked(x), GemmInputB::Packed(&packed));
            let options = GemmOptions {
                a_quant: Some(QuantParams { zero_point: &zeros }),
                ..GemmOptions::default()
            };
            library.gemm(out, x, weight, options).unwrap();
        };
        run(&mut out);
        let found = |row, column| f64::from(out[row * self.columns + column]) / f64::from(UNIT * UNIT);
        self.check(found, ProductFormat::Int8, "rten");
        Contender::new("rten", move || run(&mut out))
    }

    fn contenders(&self, format: ProductFormat) -> Vec<Contender<'_>> {
        let mut all = vec![self.kernels(format)];
        match format {
            ProductFormat::F32 => all.extend([
                self.candle(DType::F32, format),
                self.gemmkit_f32(),
                self.rten_f32(),
            ]),
            ProductFormat::Bf16 => all.extend([self.candle(DType::BF16, format), self.gemmkit_bf16()]),
            ProductFormat::Int8 => all.extend([self.gemmkit_int8(), self.rten_int8()]),
        }
        all
    }
}

/// Runs all by turns until the budget is spent.
fn race(contenders: &mut [Contender<'_>]) {
    let started = Instant::now();
    while started.elapsed() < BUDGET {
        for contender in contenders.iter_mut() {
            let run = Instant::now();
            (contender.run)();
            contender.best_s = contender.best_s.min(run.elapsed().as_secs_f64());
        }
    }
}

fn main() {
    let threads = candle_core::utils::get_num_threads();
    println!(
        "best of turns of {} s each, {threads} threads; Gop/s, and the kernels' rate over the other's",
        BUDGET.as_secs()
    );
    println!("{:<16} {:<6} {:>9}   others", "shape", "format", "kernels");
    for shape in SHAPES {
        let operands = Operands::new(shape);
        let gop = 2.0 * (shape.0 * shape.1 * shape.2) as f64 / 1e9;
        for format in FORMATS {
            let mut contenders = operands.contenders(format);
            race(&mut contenders);
            let (kernels, others) = contenders.split_first().unwrap();
            let others: Vec<String> = others
                .iter()
                .map(|other| {
                    let ratio = other.best_s / kernels.best_s;
                    format!("{} {:.0} ({ratio:.2}x)", other.name, gop / other.best_s)
                })
                .collect();
            println!(
                "{:<16} {:<6} {:>9.0}   {}",
                format!("{}x{}x{}", shape.0, shape.1, shape.2),
                format!("{format:?}").to_lowercase(),
                gop / kernels.best_s,
                others.join(", ")
            );
        }
    }
}
