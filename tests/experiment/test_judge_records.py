"""The recorded judges: whole, current, and as good as they are said to be."""

import json
import shutil
from functools import cache

import pytest
import torch

from condlesson.data import to_model_range
from condlesson.experiment import judge_records, judges
from condlesson.experiment.judge_records import (
    JUDGES_DIR,
    judge_canary,
    judge_scores,
    load_judge,
    load_judge_record,
    missing_judges,
    noised_test_images,
    verify_judges,
)
from condlesson.experiment.judges import DIGITS, KINDS, NOISE, accuracy, guess_timesteps
from condlesson.experiment.recording import record_judge
from condlesson.experiment.records import RunError, digest

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def recorded(subset, tmp_path_factory):
    """A folder with two judges that hardly learned anything."""
    folder = tmp_path_factory.mktemp("judges")
    for kind in KINDS:
        record_judge(kind, subset, folder, steps=20)
    return folder


@pytest.fixture
def folder(recorded, tmp_path):
    return shutil.copytree(recorded, tmp_path / "judges")


@cache
def first_losses(kind, seed):
    return judge_canary(kind, seed)


@pytest.fixture
def records_alone(recorded, monkeypatch):
    """Losses are not computed again for each test in which only a record is changed."""
    losses = {kind: json_of(recorded, kind)["canary"]["losses"][-1] for kind in KINDS}
    monkeypatch.setattr(judge_records, "judge_canary", first_losses)
    monkeypatch.setattr(judge_records, "weights_canary", lambda judge, kind: losses[kind])


def json_of(folder, kind):
    return json.loads((folder / f"{kind}.json").read_text())


def write(folder, kind, content):
    (folder / f"{kind}.json").write_text(json.dumps(content))


@pytest.mark.slow
def test_the_judges_of_the_book_are_whole_and_current():
    assert verify_judges() == []
    assert missing_judges() == []


@pytest.mark.slow
def test_the_judge_of_digits_reads_them(subset):
    images = to_model_range(subset.test_images)
    share = accuracy(load_judge(DIGITS), images, subset.test_labels)
    assert share > 0.96
    assert load_judge_record(DIGITS).scores["accuracy"] == pytest.approx(share, abs=0.015)


@pytest.mark.slow
def test_the_judge_of_noise_tells_the_time(subset):
    x_t, t = noised_test_images(subset)
    error = (guess_timesteps(load_judge(NOISE), x_t) - t).abs().float().median().item()
    assert error < 40
    assert load_judge_record(NOISE).scores["median_error"] == pytest.approx(error, rel=0.3)


def test_test_images_are_noised_at_every_timestep(subset):
    _, t = noised_test_images(subset)
    assert len(t) == len(subset.test_images)
    assert t.unique().tolist() == sorted({k * 1000 // len(t) for k in range(len(t))})


@pytest.mark.slow
def test_judges_are_the_same_again(recorded, subset, tmp_path):
    torch.manual_seed(7)
    for kind in KINDS:
        record_judge(kind, subset, tmp_path, steps=20)
        assert (tmp_path / f"{kind}.npz").read_bytes() == (recorded / f"{kind}.npz").read_bytes()
        assert json_of(tmp_path, kind) == json_of(recorded, kind)
    assert verify_judges(tmp_path) == []


@pytest.mark.slow
def test_scores_are_those_of_the_judge_that_is_loaded(recorded, subset):
    for kind in KINDS:
        scores = judge_scores(load_judge(kind, recorded), kind, subset)
        assert scores == load_judge_record(kind, recorded).scores


@pytest.mark.usefixtures("records_alone")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [*judge_records.JudgeRecord.__annotations__, "sha256"])
def test_a_record_that_was_changed_is_caught(key, kind, folder):
    content = json_of(folder, kind)
    content[key] = {} if isinstance(content[key], dict) else "x"
    write(folder, kind, content)
    (message,) = verify_judges(folder)
    assert f"the judge of {kind} " in message
    assert message.endswith(f"Make it with: condlesson judge {kind} --data DIR --out {folder}")
    assert missing_judges(folder) == [kind]


@pytest.mark.usefixtures("records_alone")
@pytest.mark.parametrize("key", [*judge_records.JudgeRecord.__annotations__, "sha256"])
def test_a_record_that_lacks_a_key_is_caught(key, folder):
    content = json_of(folder, DIGITS)
    del content[key]
    write(folder, DIGITS, content)
    (message,) = verify_judges(folder)
    assert "the judge of digits is damaged (KeyError" in message


@pytest.mark.parametrize("raw", [None, b"", b"no archive"], ids=["none", "empty", "other"])
def test_weights_that_are_not_those_recorded_are_caught(raw, folder):
    path = folder / "digits.npz"
    path.unlink() if raw is None else path.write_bytes(raw)
    state = "missing" if raw is None else "damaged"
    with pytest.raises(RunError, match=rf"weights of the judge of digits are {state}\."):
        load_judge(DIGITS, folder)


def test_weights_of_the_other_judge_do_not_fit(folder):
    content = {key: value for key, value in json_of(folder, DIGITS).items() if key != "sha256"}
    raw = (folder / "noise.npz").read_bytes()
    (folder / "digits.npz").write_bytes(raw)
    content["weights"]["sha256"] = digest(raw)
    write(folder, DIGITS, {**content, "sha256": digest(judge_records.canonical(content))})
    with pytest.raises(RunError, match="the weights of the judge of digits do not fit it"):
        load_judge(DIGITS, folder)


def test_judges_trained_by_other_code_are_out_of_date(folder, monkeypatch):
    monkeypatch.setattr(judges, "LEARNING_RATE", 2e-3)
    messages = verify_judges(folder)
    assert [f"judge of {kind} is out of date. Loss 1" in m
            for kind, m in zip(KINDS, messages, strict=True)] == [True] * len(KINDS)  # fmt: skip


def test_a_kind_that_is_none_is_refused():
    with pytest.raises(ValueError, match=f"kind must be one of {', '.join(KINDS)}, got 'cats'"):
        load_judge("cats")


def test_a_judge_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(RunError, match=r"the judge of noise is missing\. Make it with: condlesson"):
        load_judge_record(NOISE, tmp_path)
    assert missing_judges(tmp_path / "nowhere") == list(KINDS)
    assert JUDGES_DIR.parent.name == "recorded"
