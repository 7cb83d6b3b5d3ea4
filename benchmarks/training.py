"""Images per second in training: the loop that the lesson began with, and the package's own.

The first loop is what many tutorials have: torchvision's MNIST with transforms of PIL images, a
DataLoader as it comes, float32, contiguous, and a loss that is read after every step. Both train
the same network on the same images with the same number of threads, in turn, and both are
validated in the same way after the same number of images.

    python -m benchmarks.training
    python -m benchmarks.training --data DIR --seeds 5 --steps 100
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.timing import in_turn, rate, show
from condlesson.data import FILES, Mnist, load_mnist, load_subset
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.training import (
    TrainConfig,
    TrainState,
    evaluate,
    make_model,
    train,
    validation_batches,
)
from condlesson.unet import VARIANTS

LOOPS = ("plain loop", "package")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print two tables."""
    args = _parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.worker:
        return _work(args)
    data = load_mnist(args.data) if args.data else load_subset()
    threads = torch.get_num_threads()
    title = f"Training {args.variant}, width {args.width}, batches of {args.batch_size}"
    rows = compare(args, data)
    show(f"{title}, {threads} threads, in turn", rows, as_json=args.json)
    if not args.no_processes:
        show(f"{title}, by processes", grow(args), as_json=args.json)
    return 0


def compare(args: argparse.Namespace, data: Mnist) -> list[dict]:
    """Train with both loops, a few seeds each, and return a row for each loop and their ratio."""
    seconds = {name: [] for name in LOOPS}
    losses = {name: [] for name in LOOPS}
    with tempfile.TemporaryDirectory() as root:
        _write_idx(data, Path(root))
        for seed in range(args.seeds):
            config = _config(args, data, seed)
            models, steps = zip(_plain_loop(config, root), _package(config, data), strict=True)
            blocks = {
                name: lambda loop=loop: _advance(loop, args.block)
                for name, loop in zip(LOOPS, steps, strict=True)
            }
            for name, found in in_turn(blocks, args.steps // args.block).items():
                seconds[name] += found
            for name, model in zip(LOOPS, models, strict=True):
                losses[name].append(_validation_loss(model, config, data))
    return _rows(seconds, losses, images=args.block * args.batch_size)


def grow(args: argparse.Namespace) -> list[dict]:
    """Images per second of the package's loop in one process, and in several side by side."""
    cores = os.cpu_count() or 1
    counts = [2**k for k in range(cores.bit_length()) if 2**k <= cores]
    shapes = [(1, 1), (1, cores), *((count, 1) for count in counts[1:])]
    rows = []
    for processes, threads in dict.fromkeys(shapes):
        row = {"processes": processes, "threads each": threads}
        rows.append({**row, "images/s": _side_by_side(args, processes, threads)})
    return rows


def _rows(seconds: dict, losses: dict, images: int) -> list[dict]:
    plain, own = (rate(images, seconds[name]) for name in LOOPS)
    rows = [
        {
            "loop": name,
            "images/s": rate(images, seconds[name]),
            "slowest": images / max(seconds[name]),
            "fastest": images / min(seconds[name]),
            "validation loss": statistics.mean(losses[name]),
            "its spread over seeds": max(losses[name]) - min(losses[name]),
        }
        for name in LOOPS
    ]
    ratio = dict.fromkeys(rows[0]) | {"loop": "ratio", "images/s": own / plain}
    return [*rows, ratio]


def _plain_loop(config: TrainConfig, root: str) -> tuple[nn.Module, Iterator[None]]:
    from torchvision import datasets, transforms

    scale = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
    dataset = datasets.MNIST(root, train=True, transform=scale)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=config.batch_size, shuffle=True, drop_last=True
    )
    model = make_model(config).train()
    return model, _plain_steps(model, loader, config)


def _plain_steps(
    model: nn.Module, loader: torch.utils.data.DataLoader, config: TrainConfig
) -> Iterator[None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    schedule = alphas_cumprod(linear_beta_schedule(config.num_timesteps))
    total = 0.0
    while True:
        for x_0, _ in loader:
            t = torch.randint(0, config.num_timesteps, (len(x_0),))
            noise = torch.randn_like(x_0)
            loss = F.mse_loss(model(q_sample(x_0, t, noise, schedule), t), noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            yield


def _package(config: TrainConfig, data: Mnist) -> tuple[nn.Module, Iterator[None]]:
    state = TrainState.start(config)
    return state.model, (None for _ in train(state, data))


def _config(args: argparse.Namespace, data: Mnist, seed: int) -> TrainConfig:
    """So long that no epoch ends while the clock runs: validation is not what is compared."""
    steps = (args.steps // args.block + 1) * args.block
    images = steps * args.batch_size
    if images > len(data.train_images):
        raise SystemExit(
            f"--steps must need at most {len(data.train_images)} images, got {images}. "
            "Take fewer steps, or the whole set: --data DIR."
        )
    return TrainConfig(
        variant=args.variant,
        seed=seed,
        width=args.width,
        batch_size=args.batch_size,
        images=len(data.train_images),
        val_images=min(args.val_images, len(data.test_images)),
    )


def _advance(loop: Iterator[None], steps: int) -> None:
    for _ in itertools.islice(loop, steps):
        pass


def _validation_loss(model: nn.Module, config: TrainConfig, data: Mnist) -> float:
    return evaluate(model, validation_batches(config, data)).mean().item()


def _side_by_side(args: argparse.Namespace, processes: int, threads: int) -> float:
    """All wait until the last one is ready, so that all are measured at the same time."""
    words = [sys.executable, "-m", "benchmarks.training", "--worker", "--threads", str(threads)]
    for name in ("variant", "width", "batch_size", "steps", "block"):
        words += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(words, **pipes) for _ in range(processes)]
    for worker in workers:
        worker.stdout.readline()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return sum(json.loads(worker.communicate()[0]) for worker in workers)


def _work(args: argparse.Namespace) -> int:
    data = load_subset()
    _, loop = _package(_config(args, data, seed=0), data)

    def advance() -> None:
        _advance(loop, args.block)

    _advance(loop, 1)
    print("ready", flush=True)
    sys.stdin.readline()
    seconds = in_turn({"package": advance}, args.steps // args.block - 1)["package"]
    print(args.block * args.batch_size * len(seconds) / sum(seconds))
    return 0


def _write_idx(data: Mnist, root: Path) -> None:
    """The unpacked files where torchvision looks for them."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for key, name in FILES.items():
        array = getattr(data, key).numpy()
        header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        (folder / name).write_bytes(header + array.tobytes())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    add = parser.add_argument
    add("--variant", choices=list(VARIANTS), default="simple", help="default: %(default)s")
    add("--data", metavar="DIR", help="MNIST; default: the images that ship with the package")
    for name, default, text in (
        ("width", 32, "channels of the first block"),
        ("batch-size", 128, "images a step"),
        ("steps", 24, "timed steps of each loop and seed"),
        ("block", 4, "steps between two changes of turn"),
        ("seeds", 3, "how often all is done again"),
        ("val-images", 1024, "images of the validation"),
    ):
        add(f"--{name}", type=int, default=default, metavar="N", help=f"{text}; default: {default}")
    add("--threads", type=int, metavar="N", help="CPU threads of both loops; default: all")
    add("--no-processes", action="store_true", help="leave the table by processes out")
    add("--json", action="store_true", help="a line of JSON for each table")
    add("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
