"""The recorded judges: small networks that were trained once, and how well they judge.

Each is a JSON file and its weights in a NumPy file (.npz) beside it, in ``judges`` below the
recorded runs. They are guarded as runs are: a SHA-256 tells that nothing was changed by hand, and
a canary, the losses of the first steps on the shipped subset, that the code still trains the same.
"""

import shlex
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from condlesson.arguments import check_choice
from condlesson.data import Mnist, load_subset, reduce_images, to_model_range
from condlesson.diffusion import NUM_TIMESTEPS, alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.experiment.canaries import canary_drift
from condlesson.experiment.judges import (
    DIGITS,
    KINDS,
    Judge,
    accuracy,
    guess_timesteps,
    make_judge,
    train_judge,
)
from condlesson.experiment.records import (
    RunError,
    arrays_of,
    canonical,
    check_keys,
    check_numbers,
    check_sha256,
    digest,
    read,
    shown,
)
from condlesson.experiment.runs import RECORDED_DIR
from condlesson.training import stream

__all__ = [
    "JUDGES_DIR",
    "JudgeRecord",
    "judge_canary",
    "judge_command",
    "judge_scores",
    "load_judge",
    "load_judge_record",
    "missing_judges",
    "noised_test_images",
    "verify_judges",
    "weights_canary",
]

JUDGES_DIR = RECORDED_DIR / "judges"
CANARY_STEPS = 4
# Relative, for the four steps and the loss of the weights; as those of runs.
TOLERANCES = [5e-6, 1e-4, 5e-4, 5e-4, 1e-4]


@dataclass(frozen=True)
class JudgeRecord:
    """What is recorded of a judge.

    Attributes:
        kind: One of `condlesson.experiment.judges.KINDS`.
        seed: Seed of its weights and of what it was shown.
        steps: Steps that it was trained for.
        scores: How well it judges MNIST's test images, see `judge_scores`.
        canary: ``losses`` of the replayed steps and of the weights, and ``tolerances``.
        provenance: ``device``, ``torch``, ``recorded`` (UTC date), ``data_sha256``.
        weights: ``file`` and ``sha256``; they are float16.
    """

    kind: str
    seed: int
    steps: int
    scores: dict
    canary: dict
    provenance: dict
    weights: dict

    def to_json(self) -> dict:
        """The record as it is written, with the SHA-256 of its canonical form."""
        record = asdict(self)
        return {**record, "sha256": digest(canonical(record))}


def load_judge(kind: str, folder: str | Path = JUDGES_DIR) -> Judge:
    """A recorded judge, in float32 and evaluation mode.

    Args:
        kind: One of `condlesson.experiment.judges.KINDS`.
        folder: Where judges lie; by default those that ship with the package.

    Raises:
        RunError: The judge is missing or damaged.
        ValueError: The kind is unknown.
    """
    record = load_judge_record(kind, folder)
    path = Path(folder) / record.weights["file"]
    raw = path.read_bytes() if path.is_file() else b""
    if digest(raw) != record.weights["sha256"]:
        state = "damaged" if path.is_file() else "missing"
        raise RunError(f"the weights of the judge of {kind} are {state}. {_remedy(kind, folder)}")
    judge = make_judge(kind, record.seed)
    try:
        judge.load_state_dict({n: torch.from_numpy(a) for n, a in arrays_of(raw).items()})
    except (RuntimeError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise RunError(
            f"the weights of the judge of {kind} do not fit it. {_remedy(kind, folder)}"
        ) from error
    return judge.eval()


def load_judge_record(kind: str, folder: str | Path = JUDGES_DIR) -> JudgeRecord:
    """What is recorded of a judge, checked.

    Raises:
        RunError: The record is missing or damaged.
        ValueError: The kind is unknown.
    """
    check_choice("kind", kind, KINDS)
    path = Path(folder) / f"{kind}.json"
    if not path.is_file():
        raise RunError(f"the judge of {kind} is missing. {_remedy(kind, folder)}")
    try:
        content, whole = read(path)
        record = JudgeRecord(**{f.name: content[f.name] for f in fields(JudgeRecord)})
        _check_form(record)
        whole = whole and asdict(record) == content and record.kind == kind
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"the judge of {kind} is damaged ({error!r}). {_remedy(kind, folder)}"
        ) from error
    if not whole:
        raise RunError(
            f"the judge of {kind} was changed after it was recorded. {_remedy(kind, folder)}"
        )
    return record


def _check_form(record: JudgeRecord) -> None:
    """Refuse a record with a field that no training of a judge writes."""
    check_keys("scores", record.scores, {"accuracy" if record.kind == DIGITS else "median_error"})
    check_numbers("scores", list(record.scores.values()), high=NUM_TIMESTEPS)
    check_keys("canary", record.canary, ("losses", "tolerances"))
    for name in ("losses", "tolerances"):
        check_numbers(f"canary.{name}", record.canary[name], count=len(TOLERANCES))
    for given, most in zip(record.canary["tolerances"], TOLERANCES, strict=True):
        check_numbers("canary.tolerances", [given], high=most)
    check_keys("provenance", record.provenance, ("device", "torch", "recorded", "data_sha256"))
    check_sha256("provenance.data_sha256", record.provenance["data_sha256"])
    check_keys("weights", record.weights, ("file", "sha256"))
    if record.weights["file"] != f"{record.kind}.npz":
        raise ValueError(f"weights.file must be {record.kind}.npz, got {record.weights['file']!r}")
    check_sha256("weights.sha256", record.weights["sha256"])
    for name in ("seed", "steps"):
        if type(getattr(record, name)) is not int or getattr(record, name) < 0:
            raise ValueError(f"{name} must be 0 or more, got {getattr(record, name)!r}")


def missing_judges(folder: str | Path = JUDGES_DIR) -> list[str]:
    """Kinds of judges that a folder does not hold whole."""
    missing = []
    for kind in KINDS:
        try:
            load_judge(kind, folder)
        except RunError:
            missing.append(kind)
    return missing


def verify_judges(folder: str | Path = JUDGES_DIR) -> list[str]:
    """Check the recorded judges: none missing, changed or out of date.

    Returns:
        A message for each fault, with the command that mends it; [] if all is well.
    """
    problems = []
    for kind in KINDS:
        try:
            judge, record = load_judge(kind, folder), load_judge_record(kind, folder)
        except RunError as error:
            problems.append(str(error))
            continue
        now = [*judge_canary(kind, record.seed), weights_canary(judge, kind)]
        drift = canary_drift(record.canary["losses"], now, record.canary["tolerances"])
        if drift:
            problems.append(f"the judge of {kind} is out of date. {drift} {_remedy(kind, folder)}")
    return problems


def judge_canary(kind: str, seed: int) -> list[float]:
    """Losses of the first steps of a judge on the shipped subset."""
    return list(train_judge(make_judge(kind, seed), kind, load_subset(), CANARY_STEPS, seed))


@torch.no_grad()
def weights_canary(judge: Judge, kind: str) -> float:
    """Loss of a judge on the test images of the shipped subset."""
    data = load_subset()
    if kind == DIGITS:
        images = to_model_range(data.test_images)
        return F.cross_entropy(judge(images), data.test_labels.long()).item()
    x_t, t = noised_test_images(data, judge.image_size)
    return F.l1_loss(judge(x_t)[:, 0], t / NUM_TIMESTEPS).item()


def noised_test_images(data: Mnist, image_size: int = 28) -> tuple[Tensor, Tensor]:
    """All test images with noise, at timesteps spread evenly over 0 .. T - 1.

    Args:
        data: The data set.
        image_size: Pixels a side, H.

    Returns:
        x_t of shape (N, 1, H, H) and t of shape (N,).
    """
    n, generator = len(data.test_images), stream(0, "judged")
    t = (torch.arange(n) * NUM_TIMESTEPS // n)[torch.randperm(n, generator=generator)]
    noise = torch.randn(n, 1, image_size, image_size, generator=generator)
    schedule = alphas_cumprod(linear_beta_schedule())
    x_0 = to_model_range(reduce_images(data.test_images, image_size))
    return q_sample(x_0, t, noise, schedule), t


def judge_scores(judge: Judge, kind: str, data: Mnist) -> dict[str, float]:
    """How well a judge judges the test images.

    Returns:
        ``accuracy`` of the judge of digits, or ``median_error`` in timesteps of that of noise.
    """
    if kind == DIGITS:
        return {"accuracy": accuracy(judge, to_model_range(data.test_images), data.test_labels)}
    x_t, t = noised_test_images(data, judge.image_size)
    return {"median_error": (guess_timesteps(judge, x_t) - t).abs().float().median().item()}


def judge_command(kind: str, folder: str | Path = JUDGES_DIR, data: str = "DIR") -> str:
    """The shell command that records a judge."""
    return f"condlesson judge {kind} --data {shlex.quote(data)} --out {shlex.quote(shown(folder))}"


def _remedy(kind: str, folder: str | Path) -> str:
    return f"Make it with: {judge_command(kind, folder)}"
