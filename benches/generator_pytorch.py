"""PyTorch's side of `softscope bench --against PYTHON` for generators: the same SiT or DiT from the same files.

Its one stage, with the options of `pytorch_side`, is

    evaluate         what the network predicts: the file holds latents [B, L, C] (or [B, C, S, S]), B times, B labels
"""

import math

import torch
import torch.nn.functional as F
from pytorch_side import Side

TIME_CODE, TIME_PERIOD = 256, 10_000.0


def modulated(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


class Generator:
    def __init__(self, config, weights, device, dtype):
        self.heads, self.depth, self.has_head_norms = config["num_heads"], config["depth"], config.get("qk_norm", False)
        self.size, self.channels = config["input_size"], config["in_channels"]
        self.is_sequence, self.patch = config.get("vae_1d", True), config.get("patch_size", 1)
        self.dtype = dtype
        self.weights = {key: value.to(device, dtype) for key, value in weights.items() if value.is_floating_point()}
        self.periods = TIME_PERIOD ** -(torch.arange(TIME_CODE // 2, device=device) / (TIME_CODE // 2))
        self.stages = {"evaluate": (self.inputs, self.evaluate)}

    def inputs(self, values):
        shape = (self.size, self.channels) if self.is_sequence else (self.channels, self.size, self.size)
        latent = math.prod(shape)
        batch = len(values) // (latent + 2)
        x, times, labels = values.split([batch * latent, batch, batch])
        return x.reshape(batch, *shape).to(self.dtype), times, labels.long()

    def linear(self, x, name):
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def condition(self, times, labels):
        # Times reach 999: the code is f32 whatever the weights are.
        angles = times[:, None] * self.periods
        code = torch.cat([angles.cos(), angles.sin()], -1).to(self.dtype)
        time = self.linear(F.silu(self.linear(code, "t_embedder.mlp.0")), "t_embedder.mlp.2")
        return F.silu(time + self.weights["y_embedder.embedding_table.weight"][labels])

    def head_norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], 1e-5)

    def attention(self, x, name):
        batch, length, width = x.shape
        qkv = self.linear(x, f"{name}.qkv").reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        if self.has_head_norms:
            query, key = self.head_norm(query, f"{name}.q_norm"), self.head_norm(key, f"{name}.k_norm")
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.linear(mixed.transpose(1, 2).reshape(batch, length, width), f"{name}.proj")

    def embed(self, x):
        if self.is_sequence:
            return self.linear(x, "x_embedder")
        kernel, bias = self.weights["x_embedder.proj.weight"], self.weights["x_embedder.proj.bias"]
        return F.conv2d(x, kernel, bias, stride=self.patch).flatten(2).transpose(1, 2)

    def output(self, x):
        if self.is_sequence:
            return x
        batch, side, patch = len(x), self.size // self.patch, self.patch
        x = x.reshape(batch, side, side, patch, patch, -1).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(batch, -1, self.size, self.size)

    def evaluate(self, x, times, labels):
        x = self.embed(x) + self.weights["pos_embed"]
        condition = self.condition(times, labels)
        for block in (f"blocks.{index}" for index in range(self.depth)):
            parts = self.linear(condition, f"{block}.adaLN_modulation.1").chunk(6, -1)
            shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = parts
            x = x + gate[:, None] * self.attention(modulated(x, shift, scale), f"{block}.attn")
            hidden = F.gelu(self.linear(modulated(x, mlp_shift, mlp_scale), f"{block}.mlp.fc1"), approximate="tanh")
            x = x + mlp_gate[:, None] * self.linear(hidden, f"{block}.mlp.fc2")
        shift, scale = self.linear(condition, "final_layer.adaLN_modulation.1").chunk(2, -1)
        return self.output(self.linear(modulated(x, shift, scale), "final_layer.linear"))


def main():
    side = Side(__doc__)
    side.serve(lambda config, weights: Generator(config, weights, side.device, side.dtype))


if __name__ == "__main__":
    main()
