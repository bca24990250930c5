#!/usr/bin/env python3
"""Runs the same forward passes and gradient descents in PyTorch and in unrelu, in turn, and prints
PyTorch's time divided by unrelu's.

    cargo build --release --bin unrelu && cargo bench --no-run --bench device_clock
    pip install numpy torch
    python scripts/bench_torch.py       # --quick takes little time, --help lists the options

`unrelu random-network` and `unrelu generate` make the networks, codes and observations. unrelu's
side is the benchmark `device_clock`, a process that keeps running and answers with seconds. Both
sides get the same number of threads. Each round runs every contender once, one after the other. A
figure is the median of the rounds with their quartiles, a ratio the median of the rounds' ratios.
Before the first round each contender is warmed up and its answers are compared with unrelu's. If
they differ, the script ends.

Descent is plain, with unrelu's step and starting codes, a fixed number of iterations, loss ½‖G(z) −
x‖². PyTorch neither tests for convergence nor evaluates the last loss; unrelu does both. On the CPU
unrelu's descent is f32, finished in f64, in the rows of f32, and f64 throughout in those of f64. On
CUDA there are only rows of f32, the precision of unrelu's GPU (descent is again finished in f64 by
the CPU). There both sides are timed from and to the host's memory, and a software adapter is
refused.
"""

import argparse
import itertools
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
TYPES = {"F32": np.float32, "F64": np.float64}


def read_network(path):
    """Weights and biases (None where the file has none) from the code outwards, and the two
    activations."""
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    about = header.pop("__metadata__", {})

    def tensor(name):
        if name not in header:
            return None
        entry = header[name]
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        return np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"]).astype(np.float64)

    layers = []
    while f"layers.{len(layers)}.weight" in header:
        name = f"layers.{len(layers)}"
        layers.append((tensor(f"{name}.weight"), tensor(f"{name}.bias")))
    return layers, about["activation"], about.get("output_activation", about["activation"])


def activation(name):
    kind, _, slope = name.partition(":")
    functions = torch.nn.functional
    return {
        "relu": torch.relu,
        "leaky_relu": lambda a: functions.leaky_relu(a, float(slope)),
        "identity": lambda a: a,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    }[kind]


SOFTWARE = ("llvmpipe", "lavapipe", "swiftshader", "software")


def precisions(device):
    return ("f32", "f64") if device == "cpu" else ("f32",)


def newest_clock():
    """The program that `cargo bench --no-run --bench device_clock` built last."""
    built = (ROOT / "target/release/deps").glob("device_clock-*")
    programs = [path for path in built if os.access(path, os.X_OK) and path.suffix in ("", ".exe")]
    return max(programs, key=lambda path: path.stat().st_mtime, default=ROOT / "target/release/deps/device_clock")


class Clock:
    """unrelu's side: a process that runs the requested calls and answers with the mean seconds."""

    def __init__(self, arguments, device, files):
        environment = dict(os.environ, RAYON_NUM_THREADS=str(arguments.threads))
        command = [str(arguments.clock), device, *map(str, files)]
        self.process = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment)
        first = self.process.stdout.readline()
        if not first:
            raise SystemExit(f"{arguments.clock} did not start; build it with the first command in this script's help")
        step, self.name = first.strip().split(" ", 1)
        self.step = float(step)
        if device == "gpu" and any(word in self.name.lower() for word in SOFTWARE):
            raise SystemExit(f"unrelu found {self.name}, a software adapter; a comparison with CUDA needs a hardware GPU")

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"unrelu failed at: {words}")
        return float(answer)


def peers(device, compiled):
    """The kinds of PyTorch calls: name and how a function is prepared."""
    yield f"eager {device}", lambda function: function
    if compiled:
        yield f"compiled {device}", lambda function: torch.compile(function, dynamic=False)


def network_functions(network, dtype, device, step):
    """Forward pass and one step of descent, codes and observations as rows."""
    layers, hidden, output = network
    to = lambda array: None if array is None else torch.tensor(array, dtype=dtype, device=device)
    layers = [(to(weight), to(bias)) for weight, bias in layers]
    hidden, output = activation(hidden), activation(output)

    def forward(z):
        for index, (weight, bias) in enumerate(layers):
            z = torch.nn.functional.linear(z, weight, bias)
            z = (output if index + 1 == len(layers) else hidden)(z)
        return z

    def eager_step(z, x):
        z = z.detach().requires_grad_(True)
        loss = 0.5 * (forward(z) - x).square().sum()
        return z.detach() - step * torch.autograd.grad(loss, z)[0]

    gradient = torch.func.grad(lambda z, x: 0.5 * (forward(z) - x).square().sum())
    return forward, eager_step, lambda z, x: z - step * gradient(z, x)


def torch_calls(arguments, network, step, iterations, codes, observations, starts):
    """(name, dtype, operation) -> call, which returns its answer as an array."""
    calls = {}
    for device in ["cpu"] + (["cuda"] if torch.cuda.is_available() else []):
        for precision in precisions(device):
            dtype = torch.float32 if precision == "f32" else torch.float64
            forward, eager_step, whole_step = network_functions(network, dtype, device, step)
            # On the CPU tensors are ready. For CUDA the call includes their transfer, as unrelu's
            # calls do for its GPU.
            host = [torch.tensor(array, dtype=dtype) for array in (codes, observations, starts)]
            for name, prepare in peers(device, arguments.compiled):
                run_forward = prepare(forward)
                run_step = eager_step if name.startswith("eager") else prepare(whole_step)

                def one_forward(run=run_forward, host=host, device=device):
                    with torch.inference_mode():
                        return run(host[0].to(device)).cpu()

                def one_descent(run=run_step, host=host, device=device):
                    x, z = host[1].to(device), host[2].to(device)
                    for _ in range(iterations):
                        z = run(z, x)
                    return z.cpu()

                calls[name, precision, "forward"] = one_forward
                calls[name, precision, "descent"] = one_descent
    return calls


def mean_seconds(call, repeats):
    before = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - before) / repeats


def check(what, found, expected, tolerance):
    """Ends the script if PyTorch and unrelu give different answers. The tolerances for f32 are
    measured differences."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected)
    apart = np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-300)
    if not apart <= tolerance:
        raise SystemExit(f"{what}: PyTorch and unrelu are {apart:.1e} of the largest entry apart, allowed {tolerance:.0e}")


def rounds(arguments, contenders):
    """Seconds of each contender in each round; `contenders`: name -> function of a number of
    repeats."""
    repeats, seconds = {}, {name: [] for name in contenders}
    for name, ask in contenders.items():
        ask(3)  # warm-up
        repeats[name] = max(1, min(10_000, round(arguments.seconds / max(ask(1), 1e-7))))
    for _ in range(arguments.rounds):
        for name, ask in contenders.items():
            time.sleep(0.01)  # the other side's threads stop spinning
            ask(1)
            seconds[name].append(ask(repeats[name]))
    return seconds


def spread(values):
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle * 1e3:.3g} ({low * 1e3:.3g}–{high * 1e3:.3g})"


def report(label, operation, precision, batch, seconds):
    ours = seconds.pop("unrelu")
    for name, theirs in seconds.items():
        ratios = [their / our for our, their in zip(ours, theirs)]
        row = [label, operation, precision, batch, spread(ours), name, spread(theirs), f"{statistics.median(ratios):.2f}"]
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def bench(arguments, label, path, folder):
    codes, observations, starts = (folder / f"{label}.{name}.npy" for name in ("codes", "observations", "starts"))
    most = str(max(arguments.batches))
    generate = [str(arguments.unrelu), "generate", str(path), "--count", most, "--seed", "1", "--noise", "gaussian:0.01"]
    generate += ["--codes-out", str(codes), "-o", str(observations)]
    subprocess.run(generate, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clocks = {"cpu": Clock(arguments, "cpu", (path, codes, observations, starts))}
    if torch.cuda.is_available():
        clocks["cuda"] = Clock(arguments, "gpu", (path, codes, observations, starts))
    print("\n" + "\n".join(f"unrelu against PyTorch on {device}: {clock.name}" for device, clock in clocks.items()))
    print("\n| network | operation | precision | batch | unrelu | PyTorch | | times as fast |\n|---|---|---|---|---|---|---|---|")
    network = read_network(path)
    arrays = [np.load(file) for file in (codes, observations, starts)]
    for batch in arguments.batches:
        iterations = max(10, min(100, 50_000 // batch))
        torch._dynamo.reset()
        step = clocks["cpu"].step
        calls = torch_calls(arguments, network, step, iterations, *(array[:batch] for array in arrays))
        for device, clock in clocks.items():
            for operation, precision in itertools.product(("forward", "descent"), precisions(device)):
                words = ["forward", batch] if operation == "forward" else ["descend", batch, iterations]
                if operation == "descent" and precision == "f64":
                    words[0] = "descend-f64"
                if operation == "forward" and precision == "f32" and device == "cpu":
                    words[0] = "forward-f32"
                answer = folder / "answer.npy"
                clock.ask(*words, 1, answer)
                expected = np.load(answer)
                contenders = {"unrelu": lambda repeats, words=words, clock=clock: clock.ask(*words, repeats)}
                # In f32, with many runs, rounding of a gradient can move one unit of one run to
                # the other side of its kink.
                exact = precision == "f64"
                tolerance = 1e-9 if exact else (1e-4 if operation == "forward" else 1e-2)
                for (name, of, what), call in calls.items():
                    if (of, what) != (precision, operation) or not name.endswith(device):
                        continue
                    try:
                        found = call()
                    # Without a C++ compiler or Triton this row says so, and the script continues.
                    except Exception as error:
                        if not name.startswith("compiled"):
                            raise
                        why = f"unavailable: {type(error).__name__}"
                        print(f"| {label} | {operation} | {precision} | {batch} | | {name} | {why} | |", flush=True)
                        continue
                    check(f"{label} {operation} {precision} {batch} {name}", found, expected, tolerance)
                    contenders[name] = lambda repeats, call=call: mean_seconds(call, repeats)
                times = f"descent, {iterations} steps" if operation == "descent" else operation
                report(label, times, precision, batch, rounds(arguments, contenders))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unrelu", type=Path, default=ROOT / "target/release/unrelu")
    parser.add_argument("--clock", type=Path, default=newest_clock())
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="number of threads of each side")
    parser.add_argument("--batches", type=lambda text: [int(b) for b in text.split(",")], default=[1, 64, 1024, 8192])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2, help="approximate time per contender and round")
    parser.add_argument("--no-compiled", dest="compiled", action="store_false", help="PyTorch eager only")
    parser.add_argument("--network", type=Path, action="append", help="a .safetensors file instead of the two standard networks")
    parser.add_argument("--quick", action="store_true", help="3 short rounds of batches 1 and 256, eager")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.batches, arguments.compiled = 3, 0.05, [1, 256], False
    torch.set_num_threads(arguments.threads)

    print(f"PyTorch {torch.__version__}, {arguments.threads} threads each, {arguments.rounds} rounds; milliseconds per call", end="")
    print(", median (quartiles)" if not torch.cuda.is_available() else f", median (quartiles); {torch.cuda.get_device_name()}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        networks = arguments.network
        if networks is None:
            random = folder / "random_20_100_500.safetensors"
            command = [str(arguments.unrelu), "random-network", "20,100,500", "--activation", "relu", "--seed", "1"]
            subprocess.run([*command, "-o", str(random)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            networks = [random, ROOT / "examples/mnist_relu_20_60_784.safetensors"]
        for path in networks:
            bench(arguments, path.stem, path, folder)


if __name__ == "__main__":
    sys.exit(main())
