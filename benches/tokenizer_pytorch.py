"""PyTorch's side of `softscope bench --against PYTHON`: the same tokenizer from the same files, run when asked.

Softscope starts it with `--config`, `--weights`, `--sizes`, `--device`, `--precision` and `--threads`, and writes one request
a line to its standard input; each is answered with one line of JSON:

    encode IN OUT    times one encode of the picture in IN (raw f32 [3, S, S]), writes its tokens to OUT
    decode IN OUT    times one decode of the tokens in IN (raw f32 [L, C]), writes its pixels to OUT
    memory           the process's largest resident memory

Times begin and end with values in the machine's own memory, wherever the model is.

OUT may be "-": nothing is written.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64, "I64": torch.int64}


def read_safetensors(path):
    data = numpy.memmap(path, numpy.uint8, "c")
    length = int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        if entry["dtype"] in TYPES:
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            values = torch.from_numpy(data[start:end]).view(TYPES[entry["dtype"]])
            tensors[key] = values.reshape(entry["shape"])
    return tensors


def read_weights(path):
    if path.suffix == ".safetensors":
        tensors = read_safetensors(path)
    else:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        for key in ("ema", "model"):
            if isinstance(tensors.get(key), dict):
                tensors = tensors[key]
                break
    strip = lambda key: key.removeprefix("module.").removeprefix("_orig_mod.")
    return {strip(key): tensor for key, tensor in tensors.items()}


class Vit:
    """Blocks and last norm of one side."""

    def __init__(self, weights, prefix, heads, depth, angles):
        self.weights, self.prefix, self.heads, self.depth, self.angles = weights, prefix, heads, depth, angles
        self.adaptive = f"{prefix}.norm.adaLN_modulation.1.weight" in weights

    def linear(self, x, name):
        return F.linear(x, self.weights[f"{self.prefix}.{name}.weight"], self.weights[f"{self.prefix}.{name}.bias"])

    def norm(self, x, name, modulation):
        if self.adaptive:
            x = F.layer_norm(x, x.shape[-1:], eps=1e-6)
            shift, scale = modulation
            count = shift.shape[1]
            return torch.cat([x[:, :-count], x[:, -count:] * scale + shift], 1)
        weight, bias = (self.weights[f"{self.prefix}.{name}.{part}"] for part in ("weight", "bias"))
        return F.layer_norm(x, x.shape[-1:], weight, bias, 1e-6)

    def turn(self, x, block):
        cosines, sines = self.angles[block]
        first, second = x[..., 0::2], x[..., 1::2]
        return torch.stack([first * cosines - second * sines, first * sines + second * cosines], -1).flatten(-2)

    def attention(self, x, block):
        batch, length, width = x.shape
        qkv = self.linear(x, f"blocks.{block}.attn.qkv").reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        if self.angles is not None:
            query, key = self.turn(query, block), self.turn(key, block)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.linear(mixed.transpose(1, 2).reshape(batch, length, width), f"blocks.{block}.attn.proj")

    def scaled(self, x, name):
        gamma = self.weights.get(f"{self.prefix}.{name}.gamma")
        return x if gamma is None else gamma * x

    def forward(self, x, latents=None):
        steering = F.silu(latents) if self.adaptive else None
        for block in range(self.depth):
            name = f"blocks.{block}"
            first = second = None
            if self.adaptive:
                parts = self.linear(steering, f"{name}.adaLN_modulation.1").chunk(4, -1)
                first, second = parts[:2], parts[2:]
            x = x + self.scaled(self.attention(self.norm(x, f"{name}.norm1", first), block), f"{name}.ls1")
            hidden = F.gelu(self.linear(self.norm(x, f"{name}.norm2", second), f"{name}.mlp.fc1"))
            x = x + self.scaled(self.linear(hidden, f"{name}.mlp.fc2"), f"{name}.ls2")
        last = self.linear(steering, "norm.adaLN_modulation.1").chunk(2, -1) if self.adaptive else None
        return self.norm(x, "norm", last)


def rotations(frequencies, heads, before, side, after):
    """Cosine and sine [heads, tokens, head size / 2] of each block."""
    zeros = lambda count: torch.zeros(count)
    index = torch.arange(side * side)
    columns = torch.cat([zeros(before), (index % side).float(), zeros(after)])[:, None]
    rows = torch.cat([zeros(before), (index // side).float(), zeros(after)])[:, None]
    turns = []
    for x, y in zip(*frequencies.float()):
        angles = (columns * x + rows * y).reshape(len(columns), heads, -1).transpose(0, 1)
        turns.append((angles.cos(), angles.sin()))
    return turns


class Tokenizer:
    def __init__(self, config, sizes, weights, device, dtype):
        self.config, self.device, self.dtype = config, device, dtype
        used = lambda key: key.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "quantize."))
        self.side = config["image_size"] // config["enc_patch_size"]
        self.decoder_side = config["image_size"] // config["dec_patch_size"]
        tokens, rope = config["num_latent_tokens"], config.get("use_rope", False)
        has_class = config.get("dec_cls_token", True)
        angles = {"encoder": None, "decoder": None}
        if rope:
            for name, before, side in (("encoder", 1, self.side), ("decoder", int(has_class), self.decoder_side)):
                turns = rotations(weights[f"{name}.freqs"], sizes[name]["num_heads"], before, side, tokens)
                angles[name] = [(cosines.to(device, dtype), sines.to(device, dtype)) for cosines, sines in turns]
        floats = ((key, value) for key, value in weights.items() if used(key) and value.is_floating_point())
        self.weights = {key: value.to(device, dtype) for key, value in floats}
        vit = lambda name: Vit(self.weights, f"{name}.model", sizes[name]["num_heads"], sizes[name]["depth"], angles[name])
        self.encoder, self.decoder = vit("encoder"), vit("decoder")
        masks = self.weights["decoder.mask_token"].expand(1, self.decoder_side**2, -1)
        self.fixed = torch.cat([self.weights["decoder.model.cls_token"], masks], 1) if has_class else masks
        if not rope:
            self.fixed = self.fixed + self.weights["decoder.model.pos_embed"]

    def encode(self, x):
        weights = self.weights
        kernel, bias = weights["encoder.model.patch_embed.proj.weight"], weights["encoder.model.patch_embed.proj.bias"]
        patches = F.conv2d(x, kernel, bias, stride=self.config["enc_patch_size"]).flatten(2).transpose(1, 2)
        first = torch.cat([weights["encoder.model.cls_token"], patches], 1) + weights["encoder.model.pos_embed"]
        latents = weights["encoder.latent_tokens"] + weights["encoder.latent_pos_embed"]
        tokens = self.encoder.forward(torch.cat([first, latents], 1))[:, -latents.shape[1] :]
        return self.bottleneck(F.linear(tokens, weights["quant_conv.weight"].flatten(1), weights["quant_conv.bias"]))

    def bottleneck(self, h):
        channels, is_unit = self.config["codebook_embed_dim"], self.config.get("codebook_l2_norm", True)
        unit = (lambda x: F.normalize(x, dim=-1)) if is_unit else (lambda x: x)
        soft, hard = self.weights.get("quantize.embedding"), self.weights.get("quantize.embedding.weight")
        if soft is not None:
            codewords = unit(soft)
            segments = unit(h).reshape(len(codewords), -1, channels)
            mixture = F.softmax(segments @ codewords.transpose(1, 2) / self.config["tau"], -1)
            return (mixture @ codewords).reshape(h.shape)
        if hard is not None:
            codewords = unit(hard)
            return codewords[torch.cdist(unit(h), codewords[None]).argmin(-1)]
        return h[..., :channels]

    def decode(self, z):
        weights = self.weights
        latents = F.linear(z, weights["post_quant_conv.weight"].flatten(1), weights["post_quant_conv.bias"])
        sequence = torch.cat([self.fixed, latents + weights["decoder.latent_pos_embed"]], 1)
        count, end = self.decoder_side**2, self.fixed.shape[1]
        tokens = self.decoder.forward(sequence, z)[:, end - count : end]
        name = "decoder.to_pixel.model"
        side, patch = self.decoder_side, self.config["dec_patch_size"]
        pixels = F.linear(tokens, weights[f"{name}.weight"], weights[f"{name}.bias"])
        pixels = pixels.reshape(-1, side, side, patch, patch, 3)
        return pixels.permute(0, 5, 1, 3, 2, 4).reshape(-1, 3, side * patch, side * patch)


def peak_bytes():
    # `getrusage` would count what the program that started this one held then.
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def answer(tokenizer, request):
    name, *paths = request.split("\t")
    if name == "memory":
        return {"peak_bytes": peak_bytes()}
    given, out = paths
    config = tokenizer.config
    shape = [1, 3, config["image_size"], config["image_size"]]
    if name == "decode":
        shape = [1, config["num_latent_tokens"], config["codebook_embed_dim"]]
    values = torch.from_numpy(numpy.fromfile(given, numpy.float32)).reshape(shape).to(tokenizer.dtype)
    start = time.perf_counter()
    there = values.to(tokenizer.device)
    found = (tokenizer.encode(there) if name == "encode" else tokenizer.decode(there)).cpu()
    seconds = time.perf_counter() - start
    if out != "-":
        found.float().contiguous().numpy().tofile(out)
    return {"ms": 1e3 * seconds}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--config", type=Path, required=True)
    options.add_argument("--weights", type=Path, required=True)
    options.add_argument("--sizes", type=json.loads, required=True, help="heads and depth of encoder and decoder")
    options.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu")
    options.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    options.add_argument("--threads", type=int, default=2)
    options = options.parse_args()
    torch.set_num_threads(options.threads)
    # As exact as ours: all 23 bits of f32.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    dtype = torch.float32 if options.precision == "f32" else torch.bfloat16
    with torch.inference_mode():
        config = json.loads(options.config.read_text())
        start = time.perf_counter()
        tokenizer = Tokenizer(config, options.sizes, read_weights(options.weights), options.device, dtype)
        load_ms = 1e3 * (time.perf_counter() - start)
        print(json.dumps({"torch": torch.__version__, "load_ms": load_ms}), flush=True)
        for request in sys.stdin:
            print(json.dumps(answer(tokenizer, request.rstrip("\n"))), flush=True)


if __name__ == "__main__":
    main()
