"""Images per second in sampling: a plain float32 loop, and the package's sampler.

Both go from the same noise through the same network, along the same timesteps of DDIM. The plain
loop keeps float32 and the contiguous layout; the package's sampler predicts in bfloat16 and
channels-last, as training does, and computes its steps in float32.

    python -m benchmarks.sampling
"""

import argparse
import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.timing import in_turn, rate, show
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.sampling import sample_ddim, timestep_sequence
from condlesson.training import TrainConfig, make_model, predict
from condlesson.unet import VARIANTS

LOOPS = ("plain loop", "package")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    args = _parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    title = f"Sampling {args.images} images from {args.variant}, width {args.width}"
    title += f", {args.timesteps} steps of DDIM, {torch.get_num_threads()} threads, in turn"
    show(title, compare(args), as_json=args.json)
    return 0


def compare(args: argparse.Namespace) -> list[dict]:
    """Sample with both loops, and return a row for each and their ratio."""
    config = TrainConfig(variant=args.variant, width=args.width)
    plain, own = make_model(config).eval(), make_model(config).eval()
    own = own.to(memory_format=torch.channels_last)
    noise = torch.randn(args.images, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    schedule = alphas_cumprod(linear_beta_schedule())
    works = {
        LOOPS[0]: lambda: plain_ddim(plain, noise, schedule, args.timesteps),
        LOOPS[1]: lambda: sample_ddim(
            lambda x_t, t: predict(own, x_t, t, "bfloat16"),
            noise,
            schedule,
            num_steps=args.timesteps,
        ),
    }
    seconds = in_turn(works, args.rounds)
    apart = (works[LOOPS[0]]() - works[LOOPS[1]]()).abs().mean().item()
    rows = [
        {
            "loop": name,
            "images/s": rate(args.images, seconds[name]),
            "slowest": args.images / max(seconds[name]),
            "fastest": args.images / min(seconds[name]),
            "apart (mean, of 2)": apart if name == LOOPS[1] else None,
        }
        for name in LOOPS
    ]
    ratio = rows[1]["images/s"] / rows[0]["images/s"]
    return [*rows, dict.fromkeys(rows[0]) | {"loop": "ratio", "images/s": ratio}]


@torch.no_grad()
def plain_ddim(model: nn.Module, noise: Tensor, schedule: Tensor, num_steps: int) -> Tensor:
    """DDIM as its formula says it, with no more than it needs.

    Args:
        model: Called as model(x_t, t), in evaluation mode.
        noise: What to start from, shape (B, 1, 28, 28).
        schedule: alpha_bar of shape (T,).
        num_steps: Timesteps to visit.

    Returns:
        Images in [-1, 1].
    """
    x = noise
    sequence = timestep_sequence(len(schedule), num_steps)
    for t, t_prev in zip(sequence, [*sequence[1:], -1], strict=True):
        before = schedule[t_prev] if t_prev >= 0 else torch.tensor(1.0)
        noise_pred = model(x, torch.full((len(x),), t))
        x_0 = (x - (1 - schedule[t]).sqrt() * noise_pred) / schedule[t].sqrt()
        x_0 = x_0.clamp(-1, 1)
        x = before.sqrt() * x_0 + (1 - before).sqrt() * noise_pred
    return x


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampling", description=__doc__)
    add = parser.add_argument
    add("--variant", choices=list(VARIANTS), default="simple", help="default: %(default)s")
    for name, default, text in (
        ("width", 32, "channels of the first block"),
        ("images", 64, "images that are sampled together"),
        ("timesteps", 10, "steps of DDIM"),
        ("rounds", 5, "how often each loop is timed"),
    ):
        add(f"--{name}", type=int, default=default, metavar="N", help=f"{text}; default: {default}")
    add("--threads", type=int, metavar="N", help="CPU threads of both loops; default: all")
    add("--json", action="store_true", help="a line of JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
