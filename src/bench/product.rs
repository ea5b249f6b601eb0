use crate::kernel::{
    Finish, FloatFormat, Format, Grouping, Isa, Levels, Operand, PackedWeight, Words, pack_rows, product,
    quantise, read_rows,
};

/// How a product's operands are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductFormat {
    /// Single precision.
    F32,
    /// bfloat16, summed in f32.
    Bf16,
    /// 8-bit integers, summed in 32 bits.
    Int8,
}

impl From<ProductFormat> for Format {
    fn from(format: ProductFormat) -> Self {
        match format {
            ProductFormat::F32 => Self::F32,
            ProductFormat::Bf16 => Self::Bf16,
            ProductFormat::Int8 => Self::Int8,
        }
    }
}

/// A linear layer as the models compute it on this processor, its weight packed and its input as the layer before
/// leaves it: what is timed beside other libraries' products.
#[derive(Debug)]
pub struct LinearProduct {
    isa: Isa,
    format: Format,
    rows: usize,
    operand: Words,
    levels: Vec<Levels>,
    weight: PackedWeight,
    out: Words,
}

impl LinearProduct {
    /// `x` [rows, inner] and `weight` [columns, inner], row-major; without a bias.
    #[must_use]
    pub fn new(format: ProductFormat, inner: usize, x: &[f32], weight: &[f32]) -> Self {
        let isa = Isa::best();
        let inner = inner.max(1);
        let (rows, columns) = (x.len() / inner, weight.len() / inner);
        let dense = Grouping::dense(inner);
        // What is quantised is bf16 before.
        let float = match format {
            ProductFormat::F32 => FloatFormat::F32,
            ProductFormat::Bf16 | ProductFormat::Int8 => FloatFormat::Bf16,
        };
        let format = Format::from(format);
        let mut weight = PackedWeight::new(float, inner, dense, &vec![0.0; columns], |row| {
            (&weight[row * inner..][..inner], 1.0)
        });
        let mut operand = Words::zeroed(Format::from(float).operand_words(rows, inner));
        pack_rows(isa, float, x, inner, dense, operand.get_mut());
        let mut levels = Vec::new();
        if format == Format::Int8 {
            weight = weight.quantised(isa);
            let floats = std::mem::replace(&mut operand, Words::zeroed(format.operand_words(rows, inner)));
            quantise(isa, floats.get(), rows, &mut levels, operand.get_mut());
        }
        Self {
            isa,
            format,
            rows,
            operand,
            levels,
            weight,
            out: Words::zeroed(Format::F32.operand_words(rows, columns)),
        }
    }

    /// Computes the product on the calling thread's pool.
    pub fn run(&mut self) {
        let x = Operand {
            format: self.format,
            rows: self.rows,
            words: self.operand.get(),
            levels: &self.levels,
        };
        let out = bytemuck::cast_slice_mut(self.out.get_mut());
        product(self.isa, &x, &self.weight, Finish::Store(out));
    }

    /// What the last run gave, row-major [rows, columns].
    #[must_use]
    pub fn output(&self) -> Vec<f32> {
        let columns = self.weight.outputs();
        let mut values = vec![0.0; self.rows * columns];
        read_rows(bytemuck::cast_slice(self.out.get()), columns, &mut values);
        values
    }
}
