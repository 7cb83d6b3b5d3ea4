"""Several processes that train one run, in a module of its own: no canary is a small one here."""

import os
import subprocess
import sys

import pytest

from condlesson.__main__ import main
from condlesson.experiment import runs, verifying
from tests.command_line.conftest import OPTIONS, SRC

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.weekly
def test_two_processes_train_what_one_does(tmp_path):
    """With group norm; batch norm knows the images of its own process only."""
    options = OPTIONS.replace("--variant none", "--variant adagn").split()
    words = ["train", *options, "--data", "subset", "--out"]
    assert main([*words, str(tmp_path / "one")]) == 0
    launch = "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1"
    launch += " --mixed_precision no --dynamo_backend no --main_process_port 0 -m condlesson"
    done = subprocess.run(
        [sys.executable, "-m", *launch.split(), *words, str(tmp_path / "two")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SRC), *sys.path])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (one,), (two,) = (runs.list_runs(tmp_path / name) for name in ("one", "two"))
    assert (one.provenance.get("processes"), two.provenance["processes"]) == (None, 2)
    assert two.train_loss == pytest.approx(one.train_loss, rel=1e-4)
    assert two.val_loss == pytest.approx(one.val_loss, rel=1e-4)
    assert done.stdout.count("validation loss") == 1
    assert verifying.verify(tmp_path / "two") == []
