"""The command line: train and record runs, read the recorded ones, write the notebooks."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import condlesson
from condlesson.experiment import (
    network_file,
    recording,
    runs,
    sweeps,
    verifying,
)
from condlesson.experiment.command import (
    add_options,
    load_images,
    record_run,
    warn_of_bfloat16,
)
from condlesson.experiment.judge_records import judge_command, missing_judges
from condlesson.experiment.judges import KINDS
from condlesson.experiment.records import RunError
from condlesson.experiment.runs import SUBSET
from condlesson.experiment.told_classes import record_planned


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments after the program's name; by default those of the process.

    Returns:
        The exit status: 0 if all is well, 1 for a fault that the message describes.
    """
    args = _parser().parse_args(argv)
    try:
        _refuse_empty(args)
        return args.call(args)
    except (RunError, ValueError, MemoryError, OSError, ModuleNotFoundError, RuntimeError) as error:
        print(f"condlesson: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nStopped. The same command goes on from the run's last checkpoint.",
            file=sys.stderr,
        )
        return 130


def _refuse_empty(args: argparse.Namespace) -> None:
    """An empty name, as of a variable of the shell that is not set, would be this folder."""
    for name, value in vars(args).items():
        if "" in (value if isinstance(value, list) else [value]):
            raise ValueError(f"{name} must have a value, got an empty one.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="condlesson", description=__doc__)
    parser.add_argument(
        "--version", action="version", version=f"condlesson {condlesson.__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_options(commands.add_parser("train", help="train a variant on MNIST and record the run"))
    runs_parser = commands.add_parser("runs", help="read the recorded runs")
    runs_commands = runs_parser.add_subparsers(required=True, metavar="COMMAND")
    lister = runs_commands.add_parser("list", help="list the recorded runs")
    lister.add_argument("--json", action="store_true", help="print JSON, one object for each run")
    lister.set_defaults(call=_list)
    verifier = runs_commands.add_parser("verify", help="check that the runs are whole and current")
    verifier.add_argument(
        "--every", action="store_true", help="train the canary of each again; default: one for "
        "each network, unless it was found well with this code"
    )  # fmt: skip
    verifier.set_defaults(call=_verify)
    finder = runs_commands.add_parser("missing", help="print a command for each missing run")
    finder.add_argument("--all", action="store_true", help="for those that are there as well")
    finder.set_defaults(call=_missing)
    maker = runs_commands.add_parser("make", help="train what is missing, one run after the other")
    maker.add_argument("--download", action="store_true", help="as of train")
    maker.set_defaults(call=_make)
    for sub in (finder, maker):
        sub.add_argument(
            "--tier",
            choices=[*sweeps.SWEEPS, *sweeps.PLANNED],
            help="a tier, or a family of the plan; default: the runs of the book",
        )
        sub.add_argument("--data", metavar="DIR", help="as of train")
    for sub in (lister, verifier):
        sub.add_argument("--dir", help="folder of the runs; default: all that the package has")
    for sub in (finder, maker):
        sub.add_argument("--dir", help="folder of the runs; default: each in the package's own")
    collector = runs_commands.add_parser(
        "collect", help="bring the runs of several folders together"
    )
    collector.add_argument("folders", nargs="+", metavar="FROM", help="folders of runs")
    collector.add_argument("--out", required=True, metavar="DIR", help="where they go")
    collector.set_defaults(call=_collect)
    judger = commands.add_parser("judge", help="train and record a network that judges images")
    judger.add_argument("kind", choices=KINDS, help="what it judges")
    judger.set_defaults(call=_judge)
    teller = commands.add_parser("classes", help="record what the network told classes does")
    teller.set_defaults(call=_classes)
    for sub in (judger, teller):
        sub.add_argument("--data", required=True, metavar="DIR", help="as of train")
        sub.add_argument("--download", action="store_true", help="as of train")
        sub.add_argument("--out", required=True, metavar="DIR", help="folder for its files")
    writer = commands.add_parser("notebooks", help="write the exercise and solution notebooks")
    writer.add_argument("folder", metavar="DIR", help="gets the folders exercises and solutions")
    writer.add_argument(
        "--archive", metavar="FILE", help="also pack the exercises with the package, as a zip file"
    )
    writer.add_argument(
        "--with-solutions",
        action="store_true",
        help="in the archive too, in a folder",
    )
    writer.add_argument(
        "--overwrite", action="store_true", help="write over notebooks that differ; default: no"
    )
    writer.set_defaults(call=_notebooks)
    exporter = commands.add_parser("export", help="write a trained network for the book's desk")
    exporter.add_argument("run", metavar="RUN", help="the run's file, recorded with --weights")
    exporter.add_argument("--out", required=True, metavar="FILE", help="the file to write")
    exporter.set_defaults(call=_export)
    return parser


def _judge(args: argparse.Namespace) -> int:
    _record_judge(args.kind, args.out, args.data, args.download)
    return 0


def _record_judge(kind: str, out: str | Path, data: str, download: bool) -> None:
    record = recording.record_judge(kind, load_images(data, download), out)
    scores = ", ".join(f"{name} {score:.4g}" for name, score in record.scores.items())
    print(f"{kind}: {scores}, recorded in {out}")


def _classes(args: argparse.Namespace) -> int:
    print(f"Recorded in {record_planned(load_images(args.data, args.download), args.out)}")
    return 0


def _list(args: argparse.Namespace) -> int:
    found = runs.list_runs(args.dir)
    if args.json:
        print(json.dumps([_summary(run) for run in found], indent=1))
        return 0
    for run in found:
        print(f"{run.name:40} val {run.final_loss:.5f}  {run.recorded_on}")
    return 0


def _missing(args: argparse.Namespace) -> int:
    expected = sweeps.sweep(args.tier)
    wanted = expected if args.all else sweeps.missing(expected, args.dir)
    for config in wanted:
        print(runs.train_command(config, _folder(args, config), data=_data(args)))
    if not wanted:
        print(f"None of {len(expected)} runs is missing in {_base(args)}.", file=sys.stderr)
    return 0


def _make(args: argparse.Namespace) -> int:
    base = _base(args)
    judges = Path(base) / "judges"
    configs = sweeps.missing(sweeps.sweep(args.tier), args.dir)
    kinds = missing_judges(judges) if args.tier is None and _is_the_books(base) else []
    count = len(configs) + len(kinds)
    if args.data is None and (kinds or not all(runs.data_of(c, None) for c in configs)):
        raise ValueError(f"--data must name the folder of MNIST, for {count} missing runs.")
    warn_of_bfloat16(*configs)
    for k, config in enumerate(configs, 1):
        data = runs.data_of(config, args.data)
        folder = _folder(args, config)
        command = runs.train_command(config, folder, data=data)
        print(f"Missing {k} of {count}: {command}", flush=True)
        needed = {"weights": config in runs.WITH_WEIGHTS, "outputs": runs.needs_outputs(config)}
        record_run(config, folder, data, args.download, **needed)
    for k, kind in enumerate(kinds, 1 + len(configs)):
        print(f"Missing {k} of {count}: {judge_command(kind, judges, args.data)}", flush=True)
        _record_judge(kind, judges, args.data, args.download)
    print(f"Nothing is missing in {base}.")
    return 0


def _base(args: argparse.Namespace) -> str | Path:
    return args.dir or runs.RECORDED_DIR


def _folder(args: argparse.Namespace, config: runs.TrainConfig) -> str | Path:
    return args.dir or runs.folder_of(config)


def _is_the_books(folder: str | Path) -> bool:
    return Path(folder).resolve() == runs.RECORDED_DIR.resolve()


def _data(args: argparse.Namespace) -> str:
    return args.data or (SUBSET if args.tier == "quick" else "DIR")


def _collect(args: argparse.Namespace) -> int:
    found = sweeps.collect(args.folders, args.out)
    for name in found.new:
        print(f"{name}: new")
    for name in found.known:
        print(f"{name}: found again, the same")
    for path in found.unfinished:
        print(f"{path}: not finished, left where it is")
    print(f"{len(runs.list_runs(args.out))} runs are in {args.out}.")
    return 0


def _notebooks(args: argparse.Namespace) -> int:
    if args.with_solutions and not args.archive:
        raise ValueError(
            "--with-solutions must come with --archive, the file they go into, got none."
        )
    from condlesson import notebooks  # to train and to read runs needs nothing of what reads pages

    written = notebooks.write_notebooks(
        args.folder, overwrite=args.overwrite, report=partial(print, file=sys.stderr, flush=True)
    )
    print(f"{len(written)} notebooks are in {args.folder}.")
    if args.archive:
        notebooks.make_archive(args.folder, args.archive, with_solutions=args.with_solutions)
        print(f"The exercises and what they need are in {args.archive}.")
    return 0


def _export(args: argparse.Namespace) -> int:
    written = network_file.export_run(args.run, args.out)
    size = written.stat().st_size / 1e6
    print(f'The network is in {written}, {size:.1f} MB. Open it on the page "The desk".')
    return 0


def _summary(run: runs.Run) -> dict:
    return {
        "name": run.name,
        **asdict(run.config),
        **run.provenance,
        "train_loss": run.train_loss,
        "val_loss": run.val_loss,
        "final": run.final,
        "seconds": run.seconds,
        "weights": run.weights is not None,
    }


def _verify(args: argparse.Namespace) -> int:
    if args.dir is None:
        problems = verifying.verify_book(every=args.every)
    else:
        problems = verifying.verify(args.dir, every=args.every)
    count = 0 if problems else len(runs.list_runs(args.dir))
    if not problems and not count:
        problems = [f"{args.dir} must hold recorded runs, got none. Is it spelt right?"]
    for problem in problems:
        print(f"condlesson: {problem}", file=sys.stderr)
    if not problems:
        print(f"{count} recorded runs are whole and current.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
