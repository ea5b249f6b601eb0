#![allow(unsafe_code)] // a launch; what the kernel reads and writes is checked before it

use super::module::{capability, function, multiplies_bf16};
use super::plan::{LARGEST_HEAD, Plan, Products, Tiling};
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaView, LaunchConfig, PushKernelArg};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp3, DType, Device, Error, Layout, Result, Shape, Storage, Tensor,
};
use std::f64::consts::LOG2_E;

/// Blocks of a launch along its second and third axis.
const MOST_BLOCKS: usize = 65_535;

/// How queries, keys and values are mixed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attention<'a> {
    /// Scores are multiplied by it.
    pub(crate) scale: f64,
    /// Cosine and sine [heads, T, head size / 2], f32 and dense, that turn adjacent channels of queries and keys.
    pub(crate) rotation: Option<(&'a Tensor, &'a Tensor)>,
    pub(crate) products: Products,
}

/// softmax(scale q k^T) v of [B, heads, T, head size] f32 to [B, T, heads * head size] f32, without gradients; `None`
/// where there is no kernel for it. What lies with its channels side by side, 16 bytes at a time, is read where it lies.
///
/// # Errors
/// A device that fails, tensors of other shapes.
pub(crate) fn attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    how: Attention<'_>,
) -> Result<Option<Tensor>> {
    let Device::Cuda(device) = query.device() else {
        return Ok(None);
    };
    let (batch, heads, length, head) = query.dims4()?;
    let is_f32 = [query, key, value]
        .iter()
        .all(|tensor| tensor.dtype() == DType::F32);
    let has_kernel = is_f32
        && head.is_multiple_of(4)
        && (1..=LARGEST_HEAD).contains(&head)
        && (1..=MOST_BLOCKS).contains(&batch)
        && (1..=MOST_BLOCKS).contains(&heads)
        && length > 0;
    if !has_kernel {
        return Ok(None);
    }
    let [Ok(length), Ok(head)] = [length, head].map(u32::try_from) else {
        return Ok(None);
    };
    let products = if multiplies_bf16(capability(device)?) {
        how.products
    } else {
        Products::F32
    };
    let tiling = Tiling::best(products, head, length);
    mix(query, key, value, &how, tiling)
}

/// As [`attention`], cut in a certain way.
pub(super) fn mix(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    how: &Attention<'_>,
    tiling: Tiling,
) -> Result<Option<Tensor>> {
    let Device::Cuda(device) = query.device() else {
        return Ok(None);
    };
    let plan = Plan {
        head: u32::try_from(query.dim(3)?).map_err(Error::wrap)?,
        is_rotary: how.rotation.is_some(),
        tiling,
    };
    let Some(function) = function(device, plan) else {
        return Ok(None);
    };
    let launch = Launch { plan, function, how };
    let [query, key, value] = [query, key, value].map(readable);
    query?.apply_op3_no_bwd(&key?, &value?, &launch).map(Some)
}

/// The tensor, its channels side by side and every token at a multiple of 16 bytes.
fn readable(tensor: &Tensor) -> Result<Tensor> {
    let layout = tensor.layout();
    let is_readable = match layout.stride() {
        [strides @ .., 1] => strides.iter().all(|stride| stride.is_multiple_of(4)),
        _ => false,
    };
    if is_readable && layout.start_offset().is_multiple_of(4) {
        return Ok(tensor.clone());
    }
    tensor.contiguous()
}

/// A kernel with what it is launched with.
struct Launch<'a> {
    plan: Plan,
    function: CudaFunction,
    how: &'a Attention<'a>,
}

/// A tensor as the kernel reads it: where it begins, and its steps along batch, heads and tokens.
struct Strided<'a> {
    values: CudaView<'a, f32>,
    steps: [i64; 3],
}

impl<'a> Strided<'a> {
    /// What lies at every index of `layout`, which has to be `dims`.
    fn new(storage: &'a CudaStorage, layout: &Layout, dims: &[usize]) -> Result<Self> {
        if layout.dims() != dims {
            candle_core::bail!("attention over {dims:?} was given {:?}", layout.dims());
        }
        let outside = || Error::msg("a tensor of an attention reaches beyond its memory");
        let values = storage.as_cuda_slice::<f32>()?.try_slice(layout.start_offset()..);
        let values = values.ok_or_else(outside)?;
        let last: usize = dims
            .iter()
            .zip(layout.stride())
            .map(|(dim, step)| dim.saturating_sub(1) * step)
            .sum();
        if last >= values.len() {
            return Err(outside());
        }
        let [batch, head, token, 1] = *layout.stride() else {
            candle_core::bail!("channels of an attention lie side by side");
        };
        let mut steps = [0; 3];
        for (into, step) in steps.iter_mut().zip([batch, head, token]) {
            *into = i64::try_from(step).map_err(Error::wrap)?;
        }
        Ok(Self { values, steps })
    }
}

impl Launch<'_> {
    fn launch(
        &self,
        parts: &[Strided<'_>; 3],
        tables: Option<&[CudaView<'_, f32>; 2]>,
        dims: [usize; 4],
        device: &CudaDevice,
    ) -> Result<CudaStorage> {
        let [batch, heads, length, head] = dims;
        // SAFETY: the kernel writes each of them before anybody can read it.
        let mut out = unsafe { device.alloc::<f32>(batch * heads * length * head)? };
        let blocks = [length.div_ceil(self.plan.tiling.queries() as usize), heads, batch];
        let [Ok(tiles), Ok(heads), Ok(batch)] = blocks.map(u32::try_from) else {
            candle_core::bail!("attention over {dims:?} is more than one launch");
        };
        let config = LaunchConfig {
            grid_dim: (tiles, heads, batch),
            block_dim: (self.plan.tiling.threads(), 1, 1),
            shared_mem_bytes: self.plan.shared_bytes(),
        };
        let length = i32::try_from(length).map_err(Error::wrap)?;
        let scale = (self.how.scale * LOG2_E) as f32;
        let nothing = 0_u64;
        let stream = device.cuda_stream();
        let mut launch = stream.launch_builder(&self.function);
        for part in parts {
            launch.arg(&part.values);
        }
        for step in parts.iter().flat_map(|part| &part.steps) {
            launch.arg(step);
        }
        match tables {
            Some([cosines, sines]) => launch.arg(cosines).arg(sines),
            None => launch.arg(&nothing).arg(&nothing),
        };
        launch.arg(&length).arg(&scale).arg(&mut out);
        // SAFETY: these are the kernel's arguments in their order: pointers and 64-bit steps, two pointers that it reads
        // only where it was compiled to turn, a table that `table` measured each, a 32-bit length, an f32 and a pointer. It
        // reads tensors at the indices below `dims`, which `Strided` found inside their memory, 16 bytes at a time as
        // `readable` left them, and writes the `out` that was allocated for it. All live on the device's one stream.
        unsafe { launch.launch(config) }.map_err(Error::wrap)?;
        Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
    }
}

impl CustomOp3 for Launch<'_> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Err(Error::msg("a kernel of a GPU was given tensors of the CPU"))
    }

    fn cuda_fwd(
        &self,
        query: &CudaStorage,
        query_layout: &Layout,
        key: &CudaStorage,
        key_layout: &Layout,
        value: &CudaStorage,
        value_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let device = query.device();
        let (batch, heads, length, head) = query_layout.shape().dims4()?;
        let dims = [batch, heads, length, head];
        let parts = [
            Strided::new(query, query_layout, &dims)?,
            Strided::new(key, key_layout, &dims)?,
            Strided::new(value, value_layout, &dims)?,
        ];
        let shape = Shape::from((batch, length, heads * head));
        let Some((cosines, sines)) = self.how.rotation else {
            return Ok((self.launch(&parts, None, dims, device)?, shape));
        };
        let angles = [heads, length, head / 2];
        let (cosines, cosine_layout) = cosines.storage_and_layout();
        let (sines, sine_layout) = sines.storage_and_layout();
        let tables = [
            table(&cosines, cosine_layout, &angles, device)?,
            table(&sines, sine_layout, &angles, device)?,
        ];
        Ok((self.launch(&parts, Some(&tables), dims, device)?, shape))
    }
}

/// A dense tensor of `dims` on `device`.
fn table<'a>(
    storage: &'a Storage,
    layout: &Layout,
    dims: &[usize],
    device: &CudaDevice,
) -> Result<CudaView<'a, f32>> {
    if let (Storage::Cuda(storage), Some((start, end))) = (storage, layout.contiguous_offsets())
        && storage.device().same_device(device)
        && layout.dims() == dims
        && let Some(values) = storage.as_cuda_slice::<f32>()?.try_slice(start..end)
    {
        return Ok(values);
    }
    candle_core::bail!("the angles of an attention are dense, {dims:?}, where its queries are")
}
