"""What is trained again to verify, and what is known already."""

import hashlib
import json
from dataclasses import replace

import pytest

from condlesson.experiment import plan, verifying
from condlesson.experiment.plan import FAMILIES
from condlesson.experiment.recording import record
from condlesson.experiment.runs import expected_runs, list_runs, run_name
from condlesson.experiment.verifying import verify
from tests.conftest import TINY
from tests.experiment.records import NAME, hashed_again, json_of, only_message, write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread", "few_lies")]


@pytest.fixture
def replayed(monkeypatch):
    """The seeds of the canaries that are trained again."""
    seeds, losses = [], verifying.canary_losses

    def counted(config):
        seeds.append(config.seed)
        return losses(config)

    monkeypatch.setattr(verifying, "canary_losses", counted)
    return seeds


@pytest.fixture
def bare(folder):
    """The run without weights and outputs, and another seed's record beside it, forged."""
    content = {**json_of(folder), "weights": None, "outputs": None}
    write(folder, hashed_again(content))
    other = {**content, "config": {**content["config"], "seed": 8}}
    other["name"] = content["name"].replace("seed7", "seed8")
    write(folder, hashed_again(other), other["name"])
    return folder


def test_one_seed_is_trained_again_for_each_network(bare, replayed):
    assert verify(bare) == []
    assert replayed == [7]


def test_every_seed_is_trained_again_on_demand(bare, replayed):
    assert "seed8" in only_message(verify(bare, every=True))  # its canary is that of seed 7
    assert sorted(replayed) == [7, 8]


def test_weights_are_looked_at_of_every_seed(folder, replayed, subset):
    """Those of a second seed, without outputs, are another network's, with a checksum that fits."""
    other = replace(TINY, seed=8)
    record(other, subset, folder, weights=True)
    raw = (folder / f"{NAME}.npz").read_bytes()
    (folder / f"{run_name(other)}.npz").write_bytes(raw)
    content = json.loads((folder / f"{run_name(other)}.json").read_text())
    content["weights"]["sha256"] = hashlib.sha256(raw).hexdigest()
    write(folder, hashed_again(content), run_name(other))
    assert run_name(other) in only_message(verify(folder))
    assert replayed == [7]


def test_what_was_found_well_is_not_trained_again(folder, replayed):
    for _ in range(3):
        assert verify(folder, [TINY]) == []
    assert replayed == [7]
    assert verify(folder, [TINY], every=True) == []
    assert replayed == [7, 7]


def test_what_was_found_wrong_is_trained_again(folder, replayed):
    content = json_of(folder)
    content["canary"]["losses"][0] *= 1.001
    write(folder, hashed_again(content))
    for _ in range(2):
        assert "is out of date" in only_message(verify(folder, [TINY]))
    assert replayed == [7, 7]


def test_other_code_or_another_torch_is_looked_at_again(folder, replayed, monkeypatch):
    assert verify(folder, [TINY]) == []
    for change in (("__version__", "0.0"),):
        verifying._code.cache_clear()
        monkeypatch.setattr(verifying.torch, *change)
        assert verify(folder, [TINY]) == []
    assert replayed == [7, 7]
    verifying._code.cache_clear()
    monkeypatch.undo()


@pytest.mark.fault("the shipped images change", "runs that were found well are looked at again")
def test_the_code_is_that_of_the_networks_of_the_experiment_and_the_images(monkeypatch, tmp_path):
    names = ("unet.py", "experiment/outputs.py", "subset/images.gz", "museum/broken.py")
    digests = set()
    for place in (None, *names):
        package = tmp_path / "package"
        for name in names:
            path = package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("changed" if name == place else "same")
        monkeypatch.setattr(verifying, "PACKAGE", package)
        verifying._code.cache_clear()
        digests.add(verifying._code())
    verifying._code.cache_clear()
    assert len(digests) == 4  # the museum plays no part


@pytest.mark.fault("the folder of caches cannot be written", "runs are verified all the same")
def test_a_cache_that_cannot_be_written_is_no_fault(folder, replayed, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        assert verify(folder, [TINY]) == []
    assert replayed == [7, 7]


def test_all_planned_runs_need_few_canaries(original):
    """A network is asked once at each size; glyphs take MNIST's path."""
    (run,) = list_runs(original)
    bare = replace(run, weights=None, outputs=None)
    runs = [replace(bare, config=c) for family in FAMILIES.values() for c in family.runs()]
    assert len(runs) == 176
    paths = set()
    chosen = verifying._representatives(runs, paths)
    assert len(chosen) == len(paths) == 10 + 9
    assert verifying._representatives(runs, paths) == set()
    first = [replace(bare, config=config) for config in expected_runs()]
    quick = {run.name for run in first if run.config.width == 16}
    assert verifying._representatives(first, paths) == quick
    shown = replace(runs[-1], outputs={"file": "x"})
    assert shown.name not in chosen
    assert shown.name in verifying._representatives([*runs, shown], set())


@pytest.mark.fault(
    "a file or folder that belongs to no run lies among the book's runs", "it is named"
)
@pytest.mark.parametrize("name", ["stray.npz", "extra", "adagn-seed42-12800x5 copy.json"])
def test_what_belongs_to_no_run_is_named(monkeypatch, tmp_path, name):
    monkeypatch.setattr(verifying, "FOLDERS", (tmp_path,))
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "judges").mkdir()
    assert verifying._owner("adagn-seed42-12800x5.checkpoint.partial") == "adagn-seed42-12800x5"
    assert verifying._strangers() == []
    (tmp_path / name).touch()
    (message,) = verifying._strangers()
    assert message.startswith(f"{name} in {tmp_path.name} belongs to no run")


@pytest.mark.fault("the pilot of the plan is changed or cut short", "it is told")
@pytest.mark.parametrize("change", [("-0.0028", "-0.9028"), ("}", "")])
def test_a_changed_pilot_is_told(monkeypatch, tmp_path, change):
    assert verifying._pilot() == []
    copy = tmp_path / "pilot.json"
    copy.write_text(plan.PILOT.read_text().replace(*change))
    monkeypatch.setattr(plan, "PILOT", copy)
    (message,) = verifying._pilot()
    assert message.startswith("the pilot of the plan, pilot.json, was changed")
