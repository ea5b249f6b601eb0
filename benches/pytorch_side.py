"""What the PyTorch sides of `softscope bench --against PYTHON` share: state dicts, and requests answered one by one.

Softscope starts each with `--config`, `--weights`, `--device`, `--precision` and `--threads`, and writes one request a
line to its standard input, with tabs between its words; each is answered with one line of JSON:

    STAGE IN OUT     times one run of a stage on the raw f32 in IN, writes what it gives to OUT, raw f32 too
    memory           the process's largest resident memory

Times begin and end with values in the machine's own memory, wherever the model is. OUT may be "-": nothing is written.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy
import torch

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


def peak_bytes():
    # `getrusage` would count what the program that started this one held then.
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Side:
    """The program's options, and where and in which numbers its model computes."""

    def __init__(self, description, more_options=None):
        options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        options.add_argument("--config", type=Path, required=True)
        options.add_argument("--weights", type=Path, required=True)
        options.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu")
        options.add_argument("--precision", choices=("f32", "bf16"), default="f32")
        options.add_argument("--threads", type=int, default=2)
        if more_options is not None:
            more_options(options)
        self.options = options.parse_args()
        self.device = self.options.device
        self.dtype = torch.float32 if self.options.precision == "f32" else torch.bfloat16
        torch.set_num_threads(self.options.threads)
        # As exact as ours: all 23 bits of f32.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    def serve(self, load):
        """`load` makes (configuration, weights) a model; its `stages` give, by name, how the values of a file become
        tensors on the CPU, and the function of these tensors where the model is."""
        with torch.inference_mode():
            model = load(json.loads(self.options.config.read_text()), read_weights(self.options.weights))
            print(json.dumps({"torch": torch.__version__}), flush=True)
            for request in sys.stdin:
                print(json.dumps(self.answer(model, request.rstrip("\n"))), flush=True)

    def answer(self, model, request):
        name, *paths = request.split("\t")
        if name == "memory":
            return {"peak_bytes": peak_bytes()}
        given, out = paths
        prepare, run = model.stages[name]
        inputs = prepare(torch.from_numpy(numpy.fromfile(given, numpy.float32)))
        start = time.perf_counter()
        found = run(*(values.to(self.device) for values in inputs)).cpu()
        seconds = time.perf_counter() - start
        if out != "-":
            found.float().contiguous().numpy().tofile(out)
        return {"ms": 1e3 * seconds}
