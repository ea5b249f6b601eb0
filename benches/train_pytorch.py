"""How fast `softscope train` is beside PyTorch: pictures a second of both, alternately, in one run.

The same network (SoftVQ, 128 px, patch 16, 32 tokens of 64, 1024 codewords, two ViTs of width 192 and depth 6), the same
batch, loss and optimiser in f32 on the same number of threads; PyTorch on random pictures that lie ready, Softscope with
its own pictures, decoded, cropped and composed as it goes. On a machine that does nothing else:

    cargo build --release
    python benches/train_pytorch.py --softscope target/release/softscope --data PHOTOS EMOJI --threads 2

Without `--softscope` only PyTorch is measured.
"""

import argparse
import csv
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

SIDE, PATCH, TOKENS, CHANNELS, CODEWORDS = 128, 16, 32, 64, 1024
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


CONFIGURATION = """
steps = {steps}
threads = {threads}
[model]
image_size = {side}
patch_size = {patch}
tokens = {tokens}
channels = {channels}
codebook_size = {codewords}
[optimiser]
batch = {batch}
parts = {parts}
[output]
log_every = 1
evaluate_every = {steps}
checkpoint_every = {steps}
evaluated_pictures = 1
"""


class PyTorch:
    """A model under training, and what a step of it takes."""

    def __init__(self, batch):
        torch.manual_seed(0)
        self.model = Tokenizer()
        parameters = list(self.model.parameters())
        self.optimiser = torch.optim.AdamW(parameters, 1.2e-3, betas=(0.9, 0.95), weight_decay=0.01)
        self.averages = [parameter.detach().clone() for parameter in parameters]
        self.pictures = torch.rand(batch, 3, SIDE, SIDE) * 2 - 1
        for _ in range(3):
            self.step()

    def step(self):
        self.optimiser.zero_grad(set_to_none=True)
        found, similarities = self.model(self.pictures)
        loss_of(found, self.pictures, similarities).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, list(self.model.parameters()), 0.001)

    def step_seconds(self, steps):
        times = []
        for _ in range(steps):
            start = time.perf_counter()
            self.step()
            times.append(time.perf_counter() - start)
        return times


def softscope_step_seconds(options):
    """Times between the rows of the log of a short run; the first steps warm up."""
    warm_up = 3
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        configuration = CONFIGURATION.format(
            steps=options.steps + warm_up, threads=options.threads, batch=options.batch, parts=options.threads,
            side=SIDE, patch=PATCH, tokens=TOKENS, channels=CHANNELS, codewords=CODEWORDS)
        (folder / "train.toml").write_text(configuration)
        command = [options.softscope, "train", "--config", folder / "train.toml", "--out", folder / "run", "--quiet",
                   "--data", *options.data]
        subprocess.run(command, check=True, capture_output=True)
        with open(folder / "run" / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
    rates = [float(row["pictures_per_second"]) for row in rows]
    # Each row has the mean since the start of the sitting: pictures over rate is the time so far.
    ends = [(index + 1) * options.batch / rate for index, rate in enumerate(rates)]
    return [after - before for before, after in zip(ends[warm_up - 1 :], ends[warm_up:])]


def report(name, times, batch):
    median = statistics.median(times)
    print(f"{name}: {1000 * median:.0f} ms a step (fastest {1000 * min(times):.0f}), {batch / median:.1f} pictures a second")
    return batch / median


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--softscope", type=Path, help="the program, built in release")
    options.add_argument("--data", nargs="+", type=Path, default=[], help="folders of pictures for it")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--steps", type=int, default=12, help="of each, in each round")
    options.add_argument("--rounds", type=int, default=3)
    options = options.parse_args()
    if options.softscope and not options.data:
        raise SystemExit("give folders of pictures with --data")
    torch.set_num_threads(options.threads)
    pytorch = PyTorch(options.batch)
    theirs, ours = [], []
    for _ in range(options.rounds):
        theirs += pytorch.step_seconds(options.steps)
        if options.softscope:
            ours += softscope_step_seconds(options)
    print(f"{options.threads} threads, batch {options.batch}, f32")
    reference = report(f"PyTorch {torch.__version__}", theirs, options.batch)
    if ours:
        found = report("Softscope", ours, options.batch)
        print(f"ratio: {found / reference:.2f}")


if __name__ == "__main__":
    main()
