"""The questions of the experiment, and answers that the recorded runs choose.

A question names pairs of networks that differ in the thing asked about. Each pair is compared
seed by seed (`condlesson.comparison`), and comes out for the second network, for the first, or
for neither. The answer to the question follows from its pairs: the words for every outcome stand
here before the outcome is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condlesson.comparison import PairedDifference, conclude, paired_difference
from condlesson.runs import Run

__all__ = ["QUESTIONS", "VERDICTS", "Answer", "Question", "answer"]

VERDICTS = ("yes", "partly yes", "cannot tell", "partly reverse", "reverse", "mixed")


@dataclass(frozen=True)
class Question:
    """Something to ask of recorded runs.

    Attributes:
        text: The question, as a reader would ask it.
        pairs: Names of two variants each; the second has what the question asks about.
        words: What to say for each of `VERDICTS` that its pairs can come to.
        limits: What differs within the pairs beside the thing asked about.
    """

    text: str
    pairs: tuple[tuple[str, str], ...]
    words: Mapping[str, str]
    limits: str


@dataclass(frozen=True)
class Answer:
    """What runs say of a question.

    Attributes:
        question: The question.
        differences: One comparison for each of its pairs.
        verdict: One of `VERDICTS`.
    """

    question: Question
    differences: tuple[PairedDifference, ...]
    verdict: str

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        return self.question.words[self.verdict]

    def to_markdown(self) -> str:
        """The answer, the comparisons it rests on, and its limits, as Markdown."""
        rests_on = "\n".join(f"- {conclude(difference)}" for difference in self.differences)
        return f"**{self.sentence}**\n\n{rests_on}\n\n{self.question.limits}"


HELP = Question(
    "Does t help at all?",
    (("none", "sinusoidal"), ("gn_none", "gn_bottleneck"), ("gn_none", "gn_additive")),
    {
        "yes": "Yes: told the timestep, each of these networks ends with a lower loss.",
        "cannot tell": "These runs cannot tell: no network gained measurably from being told t.",
        "reverse": "No: each of these networks ends with a higher loss when it is told t.",
        "partly yes": "For some: where a difference can be told, the network that is told t ends "
        "lower; elsewhere these runs cannot tell.",
        "partly reverse": "No, as far as these runs can tell: where a difference can be told, the "
        "network that is told t ends higher.",
        "mixed": "It depends: one network gains from being told t and another one loses.",
    },
    "Each pair has one norm; the network that is told the timestep also has more parameters, "
    "those of the path that tells it.",
)
ENCODING = Question(
    "Does the encoding matter?",
    (("simple_matched", "sinusoidal_matched"), ("sinusoidal", "fourier")),
    {
        "yes": "Yes: the sinusoid ends lower than the scalar, and random Fourier features lower "
        "than the sinusoid, with everything else equal.",
        "cannot tell": "These runs cannot tell the encodings apart.",
        "reverse": "Yes, and against the usual story: the scalar ends lower than the sinusoid, and "
        "the sinusoid lower than random Fourier features, with everything else equal.",
        "partly yes": "In part: one of the two changes of encoding lowers the loss, the other "
        "makes no difference that can be told.",
        "partly reverse": "In part, and against the usual story: one of the two changes of "
        "encoding raises the loss, the other makes no difference that can be told.",
        "mixed": "Yes, but not in one direction: see the two comparisons.",
    },
    "Within a pair only the 256 numbers that encode t differ: same layers, same starting weights, "
    "same channels.",
)
PLACE = Question(
    "Does the place of injection matter?",
    (("gn_bottleneck", "gn_additive"),),
    {
        "yes": "Yes: told in every block, the network ends with a lower loss than told at the "
        "bottleneck alone.",
        "cannot tell": "These runs cannot tell a shift in every block from one at the bottleneck.",
        "reverse": "Yes, and the other way round: told at the bottleneck alone, the network ends "
        "with a lower loss than told in every block.",
    },
    "Both add a projection of one embedding and both have group norm. Six projections have more "
    "parameters than one.",
)
ADAGN = Question(
    "AdaGN against addition?",
    (("gn_additive", "adagn"),),
    {
        "yes": "AdaGN: scale and shift end with a lower loss than a shift alone, in the same six "
        "places.",
        "cannot tell": "These runs cannot tell AdaGN from addition in the same six places.",
        "reverse": "Addition: a shift alone ends with a lower loss than scale and shift, in the "
        "same six places.",
    },
    "Both have group norm and the same places. AdaGN's projections are twice as wide; the additive "
    "network has a scale and a shift of its own in each norm, which t does not change.",
)
QUESTIONS = {"help": HELP, "encoding": ENCODING, "place": PLACE, "adagn": ADAGN}


def answer(question: Question, runs: Mapping[str, Sequence[Run]]) -> Answer:
    """Let runs answer a question.

    Args:
        question: One of `QUESTIONS`, or one of your own.
        runs: For each variant that the question names, its runs, one for each seed.

    Returns:
        The comparisons and the verdict: ``"yes"`` or ``"reverse"`` if every pair comes out for
        its second or first network, ``"cannot tell"`` if none can be told apart, ``"mixed"`` if
        pairs contradict one another, and ``"partly yes"`` or ``"partly reverse"`` if some come
        out so and others cannot be told apart.

    Raises:
        KeyError: A variant that the question names has no runs.
        ValueError: As `condlesson.comparison.paired_difference`.
    """
    differences = tuple(paired_difference(runs[a], runs[b]) for a, b in question.pairs)
    return Answer(question, differences, _verdict(differences))


def _verdict(differences: Sequence[PairedDifference]) -> str:
    """One word for how all pairs came out."""
    won = {d.winner == d.b for d in differences if d.winner is not None}
    if len(won) != 1:
        return "mixed" if won else "cannot tell"
    word = "yes" if won.pop() else "reverse"
    return f"partly {word}" if any(d.winner is None for d in differences) else word
