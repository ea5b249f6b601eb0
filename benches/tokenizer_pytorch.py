"""PyTorch's side of `softscope bench --against PYTHON` for tokenizers: the same one from the same files, run when asked.

Beside the options of `pytorch_side` it takes `--sizes`; its stages are

    encode           the picture [3, S, S] to tokens
    decode           the tokens [L, C] to pixels
"""

import json

import torch
import torch.nn.functional as F
from pytorch_side import Side


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

        shaped = lambda *shape: lambda values: [values.reshape(1, *shape).to(dtype)]
        side, tokens = config["image_size"], config["num_latent_tokens"]
        self.stages = {
            "encode": (shaped(3, side, side), self.encode),
            "decode": (shaped(tokens, config["codebook_embed_dim"]), self.decode),
        }

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


def main():
    more = lambda options: options.add_argument(
        "--sizes", type=json.loads, required=True, help="heads and depth of encoder and decoder"
    )
    side = Side(__doc__, more)
    side.serve(lambda config, weights: Tokenizer(config, side.options.sizes, weights, side.device, side.dtype))


if __name__ == "__main__":
    main()
