"""Pictures a second of a training step in PyTorch, for `softscope train` to be held against.

The same network (SoftVQ, 128 px, patch 16, 32 tokens of 32, 1024 codewords, two ViTs of width 192 and depth 6), the same
batch, loss and optimiser in f32, on random pictures. Run it between two runs of `softscope train`, on a machine that
does nothing else:

    python benches/train_pytorch.py --threads 2 --steps 20
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn

SIDE, PATCH, TOKENS, CHANNELS, CODEWORDS = 128, 16, 32, 32, 1024
WIDTH, DEPTH, HEADS, TAU = 192, 6, 3, 0.07
PATCHES = (SIDE // PATCH) ** 2


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.gamma1 = nn.Parameter(torch.ones(WIDTH))
        self.gamma2 = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        batch, length, _ = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, length, 3, HEADS, WIDTH // HEADS)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.gamma1 * self.proj(mixed.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.gamma2 * self.fc2(F.gelu(self.fc1(self.norm2(x))))


def vit():
    return nn.Sequential(*(Block() for _ in range(DEPTH)), nn.LayerNorm(WIDTH, eps=1e-6))


def learned(*shape):
    return nn.Parameter(torch.randn(*shape) * 0.02)


class Tokenizer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.classes = nn.ParameterList(learned(1, 1, WIDTH) for _ in range(2))
        self.positions = nn.ParameterList(learned(1, 1 + PATCHES, WIDTH) for _ in range(2))
        self.latent_positions = nn.ParameterList(learned(1, TOKENS, WIDTH) for _ in range(2))
        self.latents, self.mask = learned(1, TOKENS, WIDTH), learned(1, 1, WIDTH)
        self.encoder, self.decoder = vit(), vit()
        self.quant_conv, self.post_quant_conv = nn.Linear(WIDTH, CHANNELS), nn.Linear(CHANNELS, WIDTH)
        self.codebook = nn.Parameter(torch.randn(CODEWORDS, CHANNELS))
        self.head = nn.Linear(WIDTH, 3 * PATCH * PATCH)

    def forward(self, x):
        batch, side = x.shape[0], SIDE // PATCH
        patches = self.embed(x).flatten(2).transpose(1, 2)
        first = torch.cat([self.classes[0].expand(batch, -1, -1), patches], 1) + self.positions[0]
        latents = (self.latents + self.latent_positions[0]).expand(batch, -1, -1)
        tokens = self.encoder(torch.cat([first, latents], 1))[:, -TOKENS:]
        tokens = F.normalize(self.quant_conv(tokens), dim=-1)
        codewords = F.normalize(self.codebook, dim=-1)
        similarities = tokens @ codewords.detach().T
        z = F.softmax(similarities / TAU, -1) @ codewords
        masks = torch.cat([self.classes[1], self.mask.expand(-1, PATCHES, -1)], 1) + self.positions[1]
        latents = self.post_quant_conv(z) + self.latent_positions[1]
        image = self.decoder(torch.cat([masks.expand(batch, -1, -1), latents], 1))[:, 1 : 1 + PATCHES]
        pixels = self.head(image).reshape(batch, side, side, PATCH, PATCH, 3)
        return pixels.permute(0, 5, 1, 3, 2, 4).reshape(batch, 3, SIDE, SIDE), similarities


def loss_of(found, wanted, similarities):
    difference = found - wanted
    steps = difference.diff(dim=3).abs().mean() + difference.diff(dim=2).abs().mean()
    logs = F.log_softmax(similarities.flatten(0, 1) / 0.01, -1)
    weights = logs.exp()
    mean = weights.mean(0)
    entropy = -(weights * logs).sum(-1).mean() + (mean * (mean + 1e-6).log()).sum()
    return 0.5 * difference.abs().mean() + difference.square().mean() + 0.3 * steps + 0.01 * entropy


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--steps", type=int, default=20)
    options = options.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = Tokenizer()
    optimiser = torch.optim.AdamW(model.parameters(), 1.2e-3, betas=(0.9, 0.95), weight_decay=0.01)
    averages = [parameter.detach().clone() for parameter in model.parameters()]
    pictures = torch.rand(options.batch, 3, SIDE, SIDE) * 2 - 1

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss = loss_of(*forward(pictures))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(averages, list(model.parameters()), 0.001)

    def forward(wanted):
        found, similarities = model(wanted)
        return found, wanted, similarities

    for _ in range(3):
        step()
    times = []
    for _ in range(options.steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    times.sort()
    median = times[len(times) // 2]
    print(f"PyTorch {torch.__version__}, {options.threads} threads, batch {options.batch}: "
          f"{1000 * median:.0f} ms a step (fastest {1000 * times[0]:.0f}), {options.batch / median:.1f} pictures a second")


if __name__ == "__main__":
    main()
