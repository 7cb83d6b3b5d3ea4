"""Milliseconds of one pass of the network in a browser, and seconds of a digit, beside torch.

The browser is Chromium without a window, and the network runs on the page itself, in the slices in
which the desk runs it. torch has one thread, as the browser has. Both take turns, pass by pass.

    python -m benchmarks.desk
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from playwright.sync_api import Page

from benchmarks.timing import show
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.experiment.network_file import VARIANTS, network_file
from condlesson.sampling import sample_ddim
from condlesson.training import TrainConfig, make_model
from tools.browser import browser

DESK = Path(__file__).parents[1] / "book" / "desk"
SCRIPTS = ("layers", "unet", "diffusion", "network-file")
# Runs what pauses to its end; says how long that took, and the longest time between two pauses.
TIMED = """
window.timed = (steps) => {
  const began = performance.now();
  let longest = 0;
  for (let before = began; ;) {
    const { value, done } = steps.next();
    longest = Math.max(longest, performance.now() - before);
    before = performance.now();
    if (done) return { value, longest, milliseconds: before - began };
  }
}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--variant", choices=VARIANTS, default="adagn")
    parser.add_argument("--width", type=int, default=32, metavar="N")
    parser.add_argument("--passes", type=int, default=25, metavar="N", help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=25, metavar="N", help="of DDIM")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    title = f"One image through {args.variant}, width {args.width}, one thread each"
    show(title, compare(args), as_json=args.json)
    return 0


def compare(args: argparse.Namespace) -> list[dict]:
    """Time both, and return a row for each."""
    config = TrainConfig(variant=args.variant, width=args.width)
    model = make_model(config).eval()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with browser() as started:
            page = started.new_page()
            _load(page, network_file(model, config, "benchmark")[0])
            return _rows(page, model, args)
    finally:
        torch.set_num_threads(threads)


def _load(page: Page, text: str) -> None:
    for script in SCRIPTS:
        page.add_script_tag(path=DESK / f"{script}.js")
    page.add_script_tag(content=TIMED)
    page.evaluate(
        "(text) => { const read = timed(networkFile.read([networkFile.parse(text)])).value;"
        " window.network = timed(unet.build(read)).value;"
        " window.noise = diffusion.gaussian(784, 1); }",
        text,
    )


def _rows(page: Page, model: torch.nn.Module, args: argparse.Namespace) -> list[dict]:
    noise = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    schedule = alphas_cumprod(linear_beta_schedule())
    in_page = "timed(unet.predict(network, noise, diffusion.everywhere(400)))"
    passes, in_torch, slices = [], [], []
    for _ in range(args.passes + 3):  # the first ones, in which both warm up, do not count
        made = page.evaluate(
            f"(({{ longest, milliseconds }}) => [milliseconds, longest])({in_page})"
        )
        passes.append(made[0])
        slices.append(made[1])
        in_torch.append(_milliseconds(lambda: model(noise, torch.tensor([400]))))
    sample = f"timed(diffusion.sample(network, noise, {json.dumps({'steps': args.steps})}))"
    digit = page.evaluate(f"{sample}.milliseconds")
    by_torch = _milliseconds(lambda: sample_ddim(model, noise, schedule, num_steps=args.steps))
    return [
        {
            "by": "browser",
            "ms a pass, median": statistics.median(passes[3:]),
            "longest slice, ms": max(slices[3:]),
            f"s a digit, {args.steps} steps": digit / 1000,
        },
        {
            "by": "torch",
            "ms a pass, median": statistics.median(in_torch[3:]),
            "longest slice, ms": None,
            f"s a digit, {args.steps} steps": by_torch / 1000,
        },
    ]


@torch.no_grad()
def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
