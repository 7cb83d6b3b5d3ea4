"""Records that are forged with a checksum that fits: every field keeps to what it can hold."""

import pytest

from condlesson.experiment.forms import check_record
from condlesson.experiment.plan import STUDY
from condlesson.experiment.runs import list_runs
from condlesson.experiment.verifying import verify
from tests.conftest import TINY
from tests.experiment.records import (
    NAME,
    assert_tells_the_cure,
    hashed_again,
    json_of,
    only_message,
    write,
)

pytestmark = pytest.mark.usefixtures("one_thread", "few_lies")

NAN, HUGE = float("nan"), 1e308
FORGED = {
    "train_loss": [[], None, [0.1], [0.1, -0.1], [0.1, NAN], [0.1, "0.1"], [0.1, True], [1, 1]],
    "val_loss": [[], {}, [0.1], [0.1, float("inf")]],
    "seconds": [[-1.0, 1.0], "fast"],
    "val_loss_by_t": [[], None, [0.1] * 9, [0.1] * 9 + [-0.1], [0.1] * 9 + ["x"], [0.1] * 10],
    "lie": [None, {}, {"timesteps": [1], "loss": None}],
    "lie.timesteps": [[], None, [375, 125, 625, 875], [125, 375, 625, 1000], [0.5, 1, 2, 3]],
    "lie.loss": [[], None, [[0.1] * 4] * 3, [[0.1] * 4] * 3 + [[0.1] * 3], [[-0.1] * 4] * 4],
    "canary": [None, [], {"losses": [1.0] * 5}],
    "canary.losses": [[], [1.0] * 4, [1.0] * 6, [1.0] * 4 + [None], [-1.0] * 5],
    "canary.tolerances": [[HUGE] * 5, [5e-6, 1e-4, 5e-4, 5e-4, 6e-4], [-1e-6] * 5, [0.0] * 4],
    "tolerances": [None, {}],
    "tolerances.final_val_loss": [HUGE, 0.5, -0.1, None, "0.01"],
    "provenance": [None, {}],
    "provenance.device": [None, "", 3],
    "provenance.threads": [0, 1.5, None, True],
    "provenance.recorded": ["yesterday", "2026-1-1", "2026-99-99", "٢٠٢٦-01-01", None],
    "provenance.device_type": ["toaster", None],
    "provenance.started": ["yesterday", None],
    "provenance.data_sha256": ["", "x" * 64, "0" * 63, None],
    "provenance.wall_seconds": [-1.0, None],
    "weights": [{}, [], "file"],
    "weights.file": [None, "", "../other.npz", f"{NAME}-outputs.npz", 3],
    "weights.sha256": [None, "0" * 63, 0],
    "weights.dtype": ["float32", None],
    "weights.canary_loss": [-1.0, None, NAN],
    "weights.tolerance": [HUGE, 1e-4, None],
    "outputs": [{}, []],
    "outputs.file": [None, f"{NAME}.npz"],
    "outputs.canary": [[], [1.0] * 17, [1.0] * 19, None, [1.0] * 17 + [None]],
    "outputs.tolerance": [HUGE, -1.0],
    "final": [{}, {"loss": 1.0}],
    "config": [None, {}, []],
    "config.variant": ["film", None],
    "config.epochs": [0, 1.5, None, "2"],
    "config.learning_rate": [-1.0, None, "fast"],
}
CASES = [(path, value) for path, values in FORGED.items() for value in values]


def with_value(content, path, value):
    *above, last = path.split(".")
    holder = content
    for key in above:
        holder = holder[key]
    holder[last] = value
    return content


@pytest.mark.fault(
    "a field of a record has another shape, range or type",
    "the field is named before anything is computed",
)
@pytest.mark.parametrize(("path", "value"), CASES, ids=lambda value: str(value)[:40])
def test_a_forged_field_is_refused_before_anything_is_computed(path, value, folder, no_replay):
    try:
        content = hashed_again(with_value(json_of(folder), path, value))
    except ValueError:
        pytest.skip("no JSON")
    write(folder, content)
    message = only_message(verify(folder, [TINY]))
    assert message.startswith(f"run {NAME} ")
    assert "is damaged (" in message or "was changed after it was recorded" in message
    assert_tells_the_cure(message)


@pytest.mark.fault("a record has a key too many", "the key is named")
@pytest.mark.parametrize("value", [3, "x", None])
def test_a_key_too_many_inside_is_refused(value, folder, no_replay):
    content = with_value(json_of(folder), "weights.note", value)
    write(folder, hashed_again(content))
    assert "weights must have file, sha256, " in only_message(verify(folder, [TINY]))


FINAL = {"loss": 0.05, "last_weights": 0.06}


@pytest.mark.parametrize(
    "final", [None, {}, {"loss": 0.05}, {**FINAL, "without_class": 0.1}, {**FINAL, "loss": -1.0}]
)
def test_the_final_losses_are_those_of_the_configuration(final, original):
    (run,) = list_runs(original)
    five = [0.1] * 5
    record = {
        **run.to_json(),
        **{"train_loss": five, "val_loss": five, "seconds": five, "final": final},
        "val_loss_by_t": [0.05] * 10,
    }
    with pytest.raises((TypeError, ValueError), match=r"final"):
        check_record(record, STUDY, NAME)
    check_record({**record, "final": FINAL}, STUDY, NAME)
