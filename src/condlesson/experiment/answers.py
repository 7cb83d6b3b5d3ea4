"""The questions of the experiment, and what runs answer by the rule of the plan.

Which pairs of networks a question compares is in `condlesson.experiment.plan`, and the words for
every outcome are in `condlesson.experiment.analysis`, so that the numbers choose them and nobody
else does. Here stands what differs within the pairs beside the thing asked about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from condlesson.experiment import plan
from condlesson.experiment.analysis import Estimate, conclude, estimate_pairs
from condlesson.experiment.comparison import conclusions, losses_of
from condlesson.experiment.runs import Run, train_command
from condlesson.networks import NETWORKS
from condlesson.training import TIERS

__all__ = ["QUESTIONS", "Answer", "Question", "answer", "answer_all"]


@dataclass(frozen=True)
class Question:
    """Something to ask of runs.

    Attributes:
        text: The question, as a reader would ask it.
        pairs: What is compared for it: the second of each is judged against the first.
        limits: What differs within the pairs beside the thing asked about.
    """

    text: str
    pairs: tuple[plan.Pair, ...]
    limits: str


@dataclass(frozen=True)
class Answer:
    """What runs say of a question.

    Attributes:
        question: The question.
        estimates: One for each of its pairs.
    """

    question: Question
    estimates: tuple[Estimate, ...]

    @property
    def sentence(self) -> str:
        """What the pairs show, a sentence or two for each."""
        return " ".join(map(conclude, self.estimates))

    def to_markdown(self) -> str:
        """The answer and its limits, as Markdown."""
        return f"{conclusions(self.estimates)}\n\n{self.question.limits}"


LIMITS = {
    "help": "The network that is told t has more parameters, those of the path that tells it. The "
    "pairs share their controls, so they are not independent of one another.",
    "norm": "Within a pair only the norm differs, and the number of parameters is the same. Batch "
    "norm normalises with the batch while it trains and with running averages when it is judged, "
    "which group norm does not; and these are averaged along with the weights, to whose average "
    "they do not belong. What a lower loss is owed to, the pair does not say.",
    "encoding": "Within a pair only the 256 numbers that stand for t differ: same layers, same "
    "starting weights, same channels, as many parameters.",
    "place": "Both add a projection of one embedding, and both have group norm. Six projections "
    "have more parameters than one; and in the blocks the shift comes after the first norm, while "
    "at the bottleneck it comes after the whole block.",
    "adagn": "Both have group norm and the same places. AdaGN's projections are twice as wide; the "
    "additive network has a scale and a shift of its own in each of these norms, which t does not "
    "change.",
}
QUESTIONS = {
    name: Question(text, pairs, limits)
    for (name, limits), (text, pairs) in zip(
        LIMITS.items(), plan.FAMILIES["matrix"].questions.items(), strict=True
    )
}


def answer(question: Question, runs: Mapping[str, Sequence[Run]]) -> Answer:
    """Let runs answer a question.

    Args:
        question: One of `QUESTIONS`, or one of your own.
        runs: For each variant that the question names, its runs, one for each seed. Others with
            the same seeds add to what is known of the scatter.

    Returns:
        What its pairs show, with intervals that hold together.

    Raises:
        ValueError: Runs that the question needs are missing, and the message has the commands that
            make them; or as `condlesson.experiment.comparison.losses_of`.
    """
    if commands := _commands(question, runs):
        raise ValueError(
            f"runs must have all that the question compares, {len(commands)} are missing. Put your "
            "folders in the place of DIR and OUT:\n" + "\n".join(commands)
        )
    seeds = {name: sorted(run.config.seed for run in of) for name, of in runs.items()}
    whole = {name: of for name, of in runs.items() if seeds[name] == seeds[question.pairs[0][0]]}
    losses = losses_of(whole)
    norms: dict[str, list[str]] = {}
    for name in losses:
        norms.setdefault(NETWORKS[name].design.norm, []).append(name)
    has_scatter = min(map(len, losses.values())) > 1
    groups = [names for names in norms.values() if has_scatter and len(names) > 1]
    return Answer(question, tuple(estimate_pairs(losses, question.pairs, groups)))


def answer_all(runs: Mapping[str, Sequence[Run]]) -> dict[str, Answer]:
    """Let runs answer all `QUESTIONS`, with intervals that hold all together, as planned.

    Args:
        runs: For each variant its runs, one for each seed.

    Raises:
        ValueError: As `answer`.
    """
    pairs = tuple(pair for question in QUESTIONS.values() for pair in question.pairs)
    found = iter(answer(Question("", pairs, ""), runs).estimates)
    return {
        name: Answer(question, tuple(islice(found, len(question.pairs))))
        for name, question in QUESTIONS.items()
    }


def _commands(question: Question, runs: Mapping[str, Sequence[Run]]) -> list[str]:
    """Commands for the runs that a question lacks: every variant with each seed that one has."""
    needed = dict.fromkeys(name for pair in question.pairs for name in pair)
    here = [run.config for name in needed for run in runs.get(name, ())] or [TIERS["study"]]
    wanted = {replace(config, variant=name): None for name in needed for config in here}
    known = {run.config for name in needed for run in runs.get(name, ())}
    return [train_command(config, "OUT") for config in wanted if config not in known]
