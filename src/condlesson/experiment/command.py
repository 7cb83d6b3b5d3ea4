"""The command ``condlesson train``: a run's options, its images, and the run itself."""

import argparse
import os
import sys
import time
from contextlib import closing, nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from condlesson.config import CHOICES
from condlesson.data import Mnist, download_mnist, load_mnist, load_subset
from condlesson.diffusion import NUM_TIMESTEPS, alphas_cumprod, linear_beta_schedule
from condlesson.experiment import recording, runs, sweeps
from condlesson.experiment.progress import ProgressBar
from condlesson.experiment.runs import SUBSET
from condlesson.networks import NETWORKS
from condlesson.training import TIERS, TrainConfig

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["add_options", "config_of", "load_images", "record_run", "warn_of_bfloat16"]

HELP = {
    "variant": "the network",
    "seed": "of the weights, the images, the timesteps and the noise",
    "images": "training images, drawn by seed",
    "epochs": "how often each image is seen",
    "batch_size": "images a step, over all processes",
    "learning_rate": "of Adam",
    "num_timesteps": "T, the steps of the noise schedule",
    "width": "channels of the first block",
    "val_images": "test images that each epoch is validated on",
    "precision": "of the training steps; validation is always in float32",
    "dataset": "the images; glyphs are drawn from fonts, and need no folder",
    "image_size": "pixels a side",
    "ema_decay": "largest decay of the running average of the weights; 0 keeps none",
    "final_images": "test images of the final loss, drawn by seed; 0: the fixed set of each epoch",
    "label_dropout": "share of images whose class is withheld, by networks that are told one",
}
MOST_LEFT = 0.01  # alpha_bar at the last timestep: of an image's variance in its noisiest form
MOST_THREADS = 256  # with many thousands OpenMP ends the process without a word
LONGER = 2  # times as long; below it a busy machine may be all there is to it
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of a run."""
    parser.set_defaults(call=_train, refuse=parser.error)
    add = parser.add_argument
    add("--tier", choices=TIERS, default="small", help="size of the run; quick: minutes on "
        "two cores with the shipped subset, small: the first study's, study: the plan's, full: "
        "all of MNIST, ten epochs; the options below change it; default: %(default)s")  # fmt: skip
    for f in fields(TrainConfig):
        add(
            f"--{f.name.replace('_', '-')}",
            type=f.type,
            choices=CHOICES.get(f.name),
            default=argparse.SUPPRESS,  # to tell what is given from what is the tier's
            metavar=None if f.name in CHOICES else "X" if f.type is float else "N",
            help=f"{HELP[f.name]}; default: {_default(f.name)}",
        )
    add("--data", metavar="DIR", help="torchvision root, or folder of the four IDX files, or "
        f"{SUBSET}: the images that ship with the package; default: {SUBSET} for the quick tier, "
        "none for the others")  # fmt: skip
    add("--download", action="store_true", help="let torchvision fetch MNIST there; default: no")
    add("--out", required=True, metavar="DIR", help="folder for the run's files; no default")
    add("--again", action="store_true", help="train what is recorded already; default: no")
    add("--weights", action="store_true", help="also write the weights; default: no")
    add("--outputs", action="store_true", help="also write what the trained network does: samples, "
        "and how far t reaches; default: no")  # fmt: skip
    add("--device", default=DEVICE, help="where to train; default: cuda if there is one, else cpu")
    add("--threads", type=int, metavar="N", help="CPU threads; default: all")


def _default(name: str) -> str:
    """The default of an option, or those of the tiers where they differ."""
    values = {tier: getattr(config, name) for tier, config in TIERS.items()}
    if len(set(values.values())) == 1:
        return str(values["small"])
    return ", ".join(f"{value} ({tier})" for tier, value in values.items())


def config_of(args: argparse.Namespace) -> TrainConfig:
    """The configuration that the options describe: a tier, and what is given besides."""
    given = {name: value for name, value in vars(args).items() if name in HELP}
    return replace(TIERS[args.tier], **given)


def _train(args: argparse.Namespace) -> int:
    config = config_of(args)
    if args.data is None:
        if args.tier != "quick" and config.dataset == "mnist":
            args.refuse("the following arguments are required: --data")
        args.data = SUBSET
    elif config.dataset != "mnist":
        raise ValueError(
            f"--data must be left out with --dataset {config.dataset}, got {args.data}."
        )
    if args.download and args.data == SUBSET:
        raise ValueError(
            f"--data must name a folder for --download, got {SUBSET}, the images that ship with "
            "the package."
        )
    _check(args, config)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    if not args.again and sweeps.is_recorded(
        config, args.out, weights=args.weights, outputs=args.outputs
    ):
        recording.discard_leftovers(config, args.out)
        print(f"{runs.run_name(config)} is recorded in {args.out} already; --again trains it anew.")
        return 0
    warn_of_bfloat16(config, device=args.device)
    parts = {"weights": args.weights, "outputs": args.outputs}
    record_run(config, args.out, args.data, args.download, args.device, **parts)
    return 0


def _check(args: argparse.Namespace, config: TrainConfig) -> None:
    """Refuse what can be seen to go wrong before images are read."""
    if args.threads is not None and not 1 <= args.threads <= MOST_THREADS:
        raise ValueError(f"threads must be 1 to {MOST_THREADS}, got {args.threads}.")
    _check_clock(config)


def _check_clock(config: TrainConfig) -> None:
    """Refuse a T at which the schedule leaves the image, or that the network does not hear of.

    Raises:
        ValueError: The image is more than a hundredth of the variance at the last timestep, or the
            network counts to another T.
    """
    steps = config.num_timesteps
    left = alphas_cumprod(linear_beta_schedule(steps))[-1].item()
    if left > MOST_LEFT:
        raise ValueError(
            f"num_timesteps must be so large that the schedule ends in noise, got {steps}: "
            f"alpha_bar would still be {left:.2f} at the last timestep, more than {MOST_LEFT}. The "
            f"betas are made for {NUM_TIMESTEPS}."
        )
    for part in NETWORKS[config.variant].make(8).modules():
        counted = getattr(part, "num_timesteps", steps)
        if counted != steps:
            raise ValueError(
                f"num_timesteps must be {counted} for {config.variant}, whose clock counts to "
                f"that, got {steps}."
            )


def record_run(
    config: TrainConfig,
    out: str | Path,
    data: str,
    download: bool,
    device: str = DEVICE,
    **parts: bool,
) -> None:
    """Train a run, with a bar, and write it; in one of several processes, do its share of that."""
    accelerator = _accelerator(device)
    if config.dataset == "mnist":
        images = load_images(data, download, accelerator)
    else:
        from condlesson.glyphs import load_glyphs  # fonts, and with them Matplotlib

        images = load_glyphs()
    with closing(ProgressBar(config, accelerator)) as progress:
        run = recording.record(
            config,
            images,
            out,
            device=device,
            on_step=progress.show,
            accelerator=accelerator,
            **parts,
        )
    if accelerator:
        accelerator.end_training()
    if run:
        print(f"{run.name}: validation loss {run.final_loss:.5f}, recorded in {out}")


def warn_of_bfloat16(*configs: TrainConfig, device: str = DEVICE) -> None:
    """Say where bfloat16 costs time instead of saving it: processors without it imitate it."""
    if device != "cpu" or all(config.precision != "bfloat16" for config in configs):
        return
    longer = _convolution_seconds(torch.bfloat16) / _convolution_seconds(torch.float32)
    if longer > LONGER:
        print(
            f"A convolution in bfloat16 takes {longer:.0f} times as long as in float32 on this "
            "machine. Train with --precision float32, unless the run is to stand beside recorded "
            "ones.",
            file=sys.stderr,
        )


def _convolution_seconds(dtype: torch.dtype) -> float:
    """Seconds for a convolution of the first block's size, the shortest of a few."""
    h = torch.zeros(16, 32, 28, 28, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.zeros(32, 32, 3, 3, dtype=dtype)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        F.conv2d(h, weight, padding=1)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _accelerator(device: str) -> "Accelerator | None":
    """Of a command that `accelerate launch` has started in several processes."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    from accelerate import Accelerator

    return Accelerator(cpu=device == "cpu", mixed_precision="no")  # the configuration says it


def load_images(data: str, download: bool, accelerator: "Accelerator | None" = None) -> Mnist:
    """The images that ``--data`` names, fetched first where ``--download`` allows it."""
    if data == SUBSET:
        return load_subset()
    with accelerator.local_main_process_first() if accelerator else nullcontext():
        return download_mnist(data) if download else load_mnist(data)
