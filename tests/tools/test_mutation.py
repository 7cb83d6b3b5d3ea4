"""What is told of changes that no test notices; making and trying them is mutmut's."""

import json
from pathlib import Path

import pytest

from tools import mutation

BEFORE = """def width(channels: int) -> int:
    if channels < 0:
        raise ValueError("channels must be 0 or more, got fewer.")
    return 2 * channels"""
CHANGES = {
    "condlesson.embeddings.x_width__mutmut_1": ("channels < 0", "channels <= 0", 0),
    "condlesson.embeddings.x_width__mutmut_2": ("2 *", "3 *", 1),
    "condlesson.embeddings.x_width__mutmut_3": ("got fewer.", "GOT FEWER.", 0),
    "condlesson.embeddings.xǁDialǁturn__mutmut_4": ("2 * channels", "+channels * 2", 0),
    "condlesson.embeddings.x_width__mutmut_5": ("-> int", "-> float", None),
    "condlesson.embeddings.x_width__mutmut_6": ("2 *", "2 +", 33),
}
REASONS = {r"\+channels": "It is the same product."}


@pytest.fixture
def outcome(monkeypatch):
    def functions(key, path):
        old, new, _ = CHANGES[key]
        assert old in BEFORE
        return BEFORE, BEFORE.replace(old, new)

    monkeypatch.setattr(mutation, "_functions", functions)

    def judged(name):
        codes = {key: code for key, (*_, code) in CHANGES.items()}
        path = Path("src", *name.split(".")).with_suffix(".py")
        return mutation._outcome(path, codes, REASONS)

    return judged


def test_changes_are_counted_by_what_became_of_them(outcome):
    found = outcome("condlesson.embeddings")
    assert found.ended == {"dead": 2, "same": 1, "alive": 2, "open": 1}
    assert found.share == 0.5
    assert found.alive == [
        ("width", "if channels < 0: → if channels <= 0:", None),
        ("Dial.turn", "return 2 * channels → return +channels * 2", "It is the same product."),
        ("width", "return 2 * channels → return 2 + channels", None),
    ]


@pytest.mark.parametrize(
    ("code", "ended"), [(1, "dead"), (36, "dead"), (-11, "dead"), (2, "open"), (34, "open")]
)
def test_only_what_a_test_noticed_has_died(code, ended):
    assert mutation._outcome(Path("a.py"), {"a.x_f__mutmut_1": code}, {}).ended == {ended: 1}


def test_a_message_is_held_by_the_record_only_where_there_is_one(outcome):
    assert outcome("condlesson.experiment.runs").ended["alive"] == 3


def test_the_page_lists_what_survived_with_its_reason(outcome):
    page = mutation.report({"condlesson.embeddings": outcome("condlesson.embeddings")})
    assert "| `condlesson.embeddings` | 6 | 2 | 1 | 2 | 1 | 50.0% |" in page
    assert "- `width`: ``if channels < 0: → if channels <= 0:``\n" in page
    assert "- `Dial.turn`: ``return 2 * channels → return +channels * 2``. It is the same" in page


def test_what_survived_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(mutation, "COPY", tmp_path)
    meta = tmp_path / "mutants" / "src" / "a.py.meta"
    meta.parent.mkdir(parents=True)
    codes = {"killed": 1, "survived": 0, "no tests": 33, "open": None, "timeout": 36, "none": 5}
    meta.write_text(json.dumps({"exit_code_by_key": codes, "hashes": {"f": "1"}}))
    mutation.forget_survivors()
    codes |= {"survived": None, "no tests": None, "none": None}
    assert json.loads(meta.read_text()) == {"exit_code_by_key": codes, "hashes": {"f": "1"}}


def test_what_is_changed_and_what_tries_it_is_there():
    settings = mutation.tomllib.loads((mutation.ROOT / "pyproject.toml").read_text("utf-8"))
    told = settings["tool"]["mutmut"]
    for pattern in [*told["only_mutate"], *told["do_not_mutate"]]:
        assert list(mutation.ROOT.glob(pattern)), pattern
    options = told["pytest_add_cli_args"]
    left_out = [o.removeprefix("--deselect=") for o in options if o.startswith("--deselect")]
    for test in [*told["pytest_add_cli_args_test_selection"], *left_out]:
        path, _, name = test.partition("::")
        assert (mutation.ROOT / path).exists(), path
        assert not name or f"def {name.partition('[')[0]}(" in (mutation.ROOT / path).read_text()
    reasons = mutation.tomllib.loads(mutation.REASONS.read_text("utf-8"))
    for name in reasons:
        path = mutation.ROOT / "src" / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_reasons_of_a_package_hold_for_its_modules():
    reasons = {"a.b": {"x": "of b"}, "a.b.c": {"y": "of c"}, "a.bc": {"z": "of another"}}
    assert mutation._reasons_for("a.b.c", reasons) == {"x": "of b", "y": "of c"}
    assert mutation._reasons_for("a.bc", reasons) == {"z": "of another"}


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ("if off > 1e-3: → if off >= 1e-3:", True),
        ("if low <= -0.3 and high: → if low < -0.3 and high:", True),
        ("if low > 0.3: → if low >= 1.3:", False),
        ("if len(x) < 2: → if len(x) <= 2:", False),
        ("return low > 0.3 → return low < 0.3", False),
        ("g = Generator().manual_seed(1) → g = Generator().manual_seed(2)", True),
        ("g = Generator().manual_seed(1) → g = Generator().manual_seed(None)", False),
        ("if size == count // 2: → if size == count / 2:", True),
        ("if size == count // 2: → if size == count / 3:", False),
    ],
)
def test_bounds_of_what_is_measured_and_seeds_make_no_difference(change, is_same):
    reasons = mutation.tomllib.loads(mutation.REASONS.read_text("utf-8"))["condlesson.checks"]
    assert any(mutation.re.search(part, change) for part in reasons) == is_same


@pytest.fixture
def tree(tmp_path):
    """A folder with what mutmut keeps of two modules."""
    for name in ("checks.unet", "sampling"):
        meta = (tmp_path / "mutants" / "src" / name).with_suffix(".py.meta")
        meta.parent.mkdir(parents=True, exist_ok=True)
        codes = {f"condlesson.{name}.x_f__mutmut_{k}": 1 if k % 2 else None for k in range(800)}
        meta.write_text(json.dumps({"exit_code_by_key": codes}))
    return tmp_path


def test_a_sample_is_one_change_in_sixteen_of_those_not_tried(tree):
    found = mutation.sampled(tree, "autumn")
    assert 800 / 16 / 1.7 < len(found) < 800 / 16 * 1.7
    assert all(int(key.rpartition("_")[2]) % 2 == 0 for key in found)
    assert found == mutation.sampled(tree, "autumn")
    assert not set(found) <= set(mutation.sampled(tree, "winter"))


def test_a_sample_is_of_the_modules_that_are_asked_for(tree):
    found = mutation.sampled(tree, "autumn", ["condlesson.checks"])
    assert found
    assert all(key.startswith("condlesson.checks.unet.") for key in found)


def test_the_page_says_what_a_sample_shows_of_all(outcome):
    found = {name: outcome(name) for name in ("condlesson.sampling", "condlesson.checks.unet")}
    page = mutation.report(found, "autumn", found)
    assert "was drawn by the word *autumn* (`make mutation SAMPLE=autumn`)" in page
    assert "2 of the 4 that make a difference died, 50.0%. If all were tried" in page
    assert "it would be 15.0% to 85.0% (95% interval)" in page


def test_a_module_that_was_tried_in_part_has_what_its_sample_shows(outcome):
    name = "condlesson.checks.unet"
    sample = mutation.Outcome(mutation.Counter(dead=1, open=2), [])
    page = mutation.report({name: outcome(name)}, "autumn", {name: sample})
    assert f"| `{name}` | 6 | 1 | 0 | 0 | 5 | 100.0% |" in page
    assert f"## {name}" not in page


def test_a_module_of_which_nothing_was_tried_keeps_what_the_page_had(outcome):
    names = ("condlesson.embeddings", "condlesson.sampling")
    before = mutation.report({name: outcome(name) for name in names})
    later = {
        names[0]: mutation.Outcome(mutation.Counter(open=6)),
        names[1]: mutation.Outcome(mutation.Counter(dead=6)),
    }
    page = mutation.report(later, before=before)
    assert "| `condlesson.embeddings` | 6 | 2 | 1 | 2 | 1 | 50.0% |" in page
    assert "| `condlesson.sampling` | 6 | 6 | 0 | 0 | 0 | 100.0% |" in page
    assert page.count("return 2 * channels → return +channels * 2``. It is the same") == 1


def test_a_module_that_was_never_tried_has_as_many_changes_as_it_has_today():
    name = "condlesson.checks.unet"
    before = mutation.report({name: mutation.Outcome(mutation.Counter(open=6))})
    today = {
        name: mutation.Outcome(mutation.Counter(open=8)),
        "condlesson.checks.adagn": mutation.Outcome(mutation.Counter(dead=1)),
    }
    page = mutation.report(today, "autumn", today, before)
    assert f"| `{name}` | 8 | 0 | 0 | 0 | 8 | – |" in page
    assert "Of the sample 8 were not tried" in page


def test_a_sample_that_was_tried_in_two_goes_counts_both():
    one, other = "condlesson.checks.unet", "condlesson.checks.adagn"
    tried = mutation.Outcome(mutation.Counter(dead=3, alive=1, open=12))
    before = mutation.report({one: tried}, "autumn", {one: tried})
    later = {
        one: mutation.Outcome(mutation.Counter(open=16)),
        other: mutation.Outcome(mutation.Counter(dead=5, alive=1, open=2)),
    }
    page = mutation.report(later, "autumn", later, before)
    assert "8 of the 10 that make a difference died, 80.0%." in page
    assert "Of the sample 2 were not tried" in page


@pytest.mark.parametrize(
    ("count", "total", "ends"),
    [(95, 100, (0.888, 0.978)), (0, 10, (0.0, 0.278)), (5, 5, (0.566, 1))],
)
def test_the_interval_of_a_share(count, total, ends):
    assert mutation.wilson(count, total) == pytest.approx(ends, abs=5e-4)
