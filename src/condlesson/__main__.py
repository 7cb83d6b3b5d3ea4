"""The command line: train and record runs, list and verify the recorded ones."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields

import torch

import condlesson
from condlesson import recording, runs
from condlesson.data import download_mnist, load_mnist
from condlesson.training import PRECISIONS, TrainConfig, TrainState
from condlesson.unet import VARIANTS

DEFAULTS = {f.name: f.default for f in fields(TrainConfig)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments after the program's name; by default those of the process.

    Returns:
        The exit status: 0 if all is well, 1 for a fault that the message describes.
    """
    args = _parser().parse_args(argv)
    try:
        return args.call(args)
    except (runs.RunError, ValueError, OSError, ModuleNotFoundError, RuntimeError) as error:
        print(f"condlesson: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nStopped. The same train command goes on from the run's last checkpoint, which is "
            "written every half minute.",
            file=sys.stderr,
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="condlesson", description=__doc__)
    parser.add_argument(
        "--version", action="version", version=f"condlesson {condlesson.__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands.add_parser("train", help="train a variant on MNIST and record the run"))
    runs_parser = commands.add_parser("runs", help="read the recorded runs")
    runs_commands = runs_parser.add_subparsers(required=True, metavar="COMMAND")
    lister = runs_commands.add_parser("list", help="list the recorded runs")
    lister.add_argument("--json", action="store_true", help="print JSON, one object for each run")
    lister.set_defaults(call=_list)
    verifier = runs_commands.add_parser("verify", help="check that the runs are whole and current")
    verifier.set_defaults(call=_verify)
    for sub in (lister, verifier):
        sub.add_argument("--dir", default=runs.RECORDED_DIR, help="folder of the runs")
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(call=_train)
    add = parser.add_argument
    add("--variant", choices=list(VARIANTS), default=DEFAULTS["variant"])
    add("--precision", choices=PRECISIONS, default=DEFAULTS["precision"])
    add("--learning-rate", type=float, default=DEFAULTS["learning_rate"], metavar="X")
    for name in ("seed", "epochs", "images", "batch_size", "width", "val_images", "num_timesteps"):
        option = f"--{name.replace('_', '-')}"
        add(option, type=int, default=DEFAULTS[name], metavar="N", help="default: %(default)s")
    add("--data", required=True, metavar="DIR", help="torchvision root or folder of the IDX files")
    add("--download", action="store_true", help="let torchvision fetch MNIST into --data")
    add("--out", required=True, metavar="DIR", help="folder for the run's files")
    add("--again", action="store_true", help="train anew what is recorded in --out already")
    add("--weights", action="store_true", help="also write the weights, in float16")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--threads", type=int, metavar="N", help="CPU threads; default: all")


def _train(args: argparse.Namespace) -> int:
    from tqdm import tqdm  # of the training extras: to list and verify runs needs none of them

    config = TrainConfig(**{name: getattr(args, name) for name in DEFAULTS})
    if args.threads:
        torch.set_num_threads(args.threads)
    if not args.again and _is_recorded(config, args):
        print(f"{runs.run_name(config)} is recorded in {args.out} already; --again trains it anew.")
        return 0
    data = download_mnist(args.data) if args.download else load_mnist(args.data)
    total = config.epochs * config.steps_per_epoch
    with tqdm(total=total, desc=runs.run_name(config), unit="step", mininterval=1) as bar:

        def show(state: TrainState) -> None:
            if state.val_loss:
                train, val = f"{state.train_loss[-1]:.4f}", f"{state.val_loss[-1]:.4f}"
                bar.set_postfix(train=train, val=val, refresh=False)
            bar.update(state.step - bar.n)

        run = recording.record(
            config, data, args.out, device=args.device, weights=args.weights, on_step=show
        )
    print(f"{run.name}: validation loss {run.val_loss[-1]:.5f}, recorded in {args.out}")
    return 0


def _is_recorded(config: TrainConfig, args: argparse.Namespace) -> bool:
    try:
        run = runs.load_run(folder=args.out, **asdict(config))
        if args.weights:
            runs.load_model(run, args.out)
    except runs.RunError:
        return False
    return True


def _list(args: argparse.Namespace) -> int:
    found = runs.list_runs(args.dir)
    if args.json:
        print(json.dumps([_summary(run) for run in found], indent=1))
        return 0
    for run in found:
        print(f"{run.name:40} val {run.val_loss[-1]:.5f}  {run.recorded_on}")
    return 0


def _summary(run: runs.Run) -> dict:
    return {
        "name": run.name,
        **asdict(run.config),
        **run.provenance,
        "train_loss": run.train_loss,
        "val_loss": run.val_loss,
        "seconds": run.seconds,
        "weights": run.weights is not None,
    }


def _verify(args: argparse.Namespace) -> int:
    problems = runs.verify(args.dir)
    if not problems and not runs.list_runs(args.dir):
        problems = [f"{args.dir} must hold recorded runs, got none. Is it spelt right?"]
    for problem in problems:
        print(f"condlesson: {problem}", file=sys.stderr)
    if not problems:
        print(f"{len(runs.list_runs(args.dir))} recorded runs are whole and current.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
