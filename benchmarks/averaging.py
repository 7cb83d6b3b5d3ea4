"""The pilot of the plan: which figure of a run scatters least between the seeds of a pair?

Each run is trained once. Beside its last weights, averages of them are kept: exponential ones with
a fixed decay, one whose decay grows with the steps (`condlesson.training.update_average`), and
plain means of the last steps. Each is judged on the same validation images. The seeds lie outside
those of the matrix, so that nothing of it is looked at.

    python -m benchmarks.averaging --data DIR --out FILE --variants gn_none adagn --seeds 100 101

Runs that FILE holds already are not trained again.
"""

import argparse
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from condlesson.data import load_mnist
from condlesson.training import (
    TrainConfig,
    TrainState,
    evaluate,
    train,
    update_average,
    validation_batches,
)

FIXED = (0.95, 0.98, 0.99)
WARM = (0.999,)
TAILS = (50, 100)  # steps
PILOT = TrainConfig(val_images=128, final_images=1_280)  # the small size, that of the matrix


@dataclass
class Average:
    """One way to average, and what it has so far."""

    name: str
    update: Callable[[nn.Module, nn.Module, int], None]
    network: nn.Module | None = field(default=None, repr=False)

    def look(self, model: nn.Module, step: int) -> None:
        """Take the weights after a step."""
        if self.network is None:
            self.network = copy.deepcopy(model)
        self.update(self.network, model, step)


def averages(steps: int) -> list[Average]:
    """All that are tried in a run of so many steps."""
    fixed = [Average(f"decay {d}", lambda a, m, s, d=d: _mix(a, m, 1 - d)) for d in FIXED]
    warm = [
        Average(f"warm-up to {d}", lambda a, m, s, d=d: update_average(a, m, d, s)) for d in WARM
    ]
    tails = [
        Average(f"mean of last {n}", lambda a, m, s, n=n: _tail(a, m, s - steps + n)) for n in TAILS
    ]
    return [*fixed, *warm, *tails]


def _tail(average: nn.Module, model: nn.Module, index: int) -> None:
    """Plain mean of the steps from index 0 on; before that, the last weights."""
    _mix(average, model, 1 / (1 + max(index, 0)))


@torch.no_grad()
def _mix(average: nn.Module, model: nn.Module, share: float) -> None:
    pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    for mean, value in pairs:
        if mean.is_floating_point():
            mean.lerp_(value, share)
        else:
            mean.copy_(value)


def losses_of(config: TrainConfig, data: Path) -> dict[str, float]:
    """Validation loss of the last weights and of every average."""
    mnist, state = load_mnist(data), TrainState.start(config)
    kept, seen = averages(config.epochs * config.steps_per_epoch), 0
    for _ in train(state, mnist):
        if state.step > seen:  # and not after a validation
            for average in kept:
                average.look(state.model, seen)
            seen = state.step
    batches = validation_batches(config, mnist, final=True)
    networks = {"last": state.model} | {average.name: average.network for average in kept}
    return {name: evaluate(model, batches).mean().item() for name, model in networks.items()}


def main() -> None:
    """Train what is asked for, and add it to the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = json.loads(args.out.read_text()) if args.out.exists() else {}
    for seed in args.seeds:
        for variant in args.variants:
            name = f"{variant}-seed{seed}"
            if name in found:
                continue
            config = replace(PILOT, variant=variant, seed=seed)
            found[name] = losses_of(config, args.data)
            args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
