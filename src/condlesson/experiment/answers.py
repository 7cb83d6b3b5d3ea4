"""The questions of the experiment, and answers that the recorded runs choose.

A question names pairs of networks that differ in the thing asked about. Each pair is compared
seed by seed (`comparison`), and comes out for the second network, for the first, or for neither.
The answer to the question follows from its pairs. The words for every outcome stand here, so that
the numbers choose them and nobody else does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from condlesson.experiment.comparison import PairedDifference, paired_difference
from condlesson.experiment.runs import Run, train_command
from condlesson.networks import DESIGNS
from condlesson.training import TIERS

__all__ = [
    "QUESTIONS",
    "VERDICTS",
    "Answer",
    "Pair",
    "Question",
    "answer",
    "bonferroni",
]

VERDICTS = ("yes", "partly yes", "cannot tell", "partly reverse", "reverse", "mixed")


@dataclass(frozen=True)
class Pair:
    """Two variants to compare.

    Attributes:
        a: The one without the thing asked about.
        b: The one with it.
        change: What b has and a has not, as a noun that answers can be made of.
    """

    a: str
    b: str
    change: str


@dataclass(frozen=True)
class Question:
    """Something to ask of recorded runs.

    Attributes:
        text: The question, as a reader would ask it.
        pairs: What is compared for it.
        words: What to say for each of `VERDICTS` that its pairs can come to. In them {lower},
            {higher} and {open} stand for the changes that lower the loss, raise it, or neither as
            far as can be told.
        limits: What differs within the pairs beside the thing asked about.
    """

    text: str
    pairs: tuple[Pair, ...]
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
        """The answer in a sentence or two."""
        pairs = list(zip(self.question.pairs, self.differences, strict=True))
        told = [(pair.change, d.winner and d.winner == d.b) for pair, d in pairs]
        named = {"lower": True, "higher": False, "open": None}
        changes = {k: _listed([c for c, won in told if won is v]) for k, v in named.items()}
        sentence = self.question.words[self.verdict].format(**changes)
        if self.verdict == "mixed" and changes["open"]:
            sentence += f" For {changes['open']} they cannot tell."
        return sentence

    def to_markdown(self) -> str:
        """The answer and its limits, as Markdown."""
        return f"**{self.sentence}** {self.question.limits}"


CONTROLS = {"batch": "none", "group": "gn_none"}  # by the norm
HELP = Question(
    "Does t help at all?",
    tuple(
        Pair(control, name, name)
        for norm, control in CONTROLS.items()
        for name, design in DESIGNS.items()
        if design.norm == norm and name != control
    ),
    {
        "yes": "Yes: each of the networks that are told t ends with a lower loss than the one with "
        "the same norm that is not.",
        "partly yes": "It can: being told t lowers the loss of {lower}, each against the network "
        "with the same norm that is not told. For {open} these runs cannot tell.",
        "cannot tell": "These runs cannot tell: for no network is there a difference that counts "
        "between being told t and not.",
        "partly reverse": "Not here: being told t raises the loss of {higher}, each against the "
        "network with the same norm that is not told. For {open} these runs cannot tell.",
        "reverse": "No: each of the networks that are told t ends with a higher loss than the one "
        "with the same norm that is not.",
        "mixed": "It depends: being told t lowers the loss of {lower} and raises that of {higher}, "
        "each against the network with the same norm that is not told.",
    },
    "The network that is told t has more parameters, those of the path that tells it. The pairs "
    "share their controls, so they are not independent of one another.",
)
NORM = Question(
    "Does the norm matter?",
    (
        Pair("none", "gn_none", "the network that is told nothing"),
        Pair("sinusoidal", "gn_bottleneck", "the network that is told t at the bottleneck"),
    ),
    {
        "yes": "Yes: with group norm in place of batch norm both networks, told t or not, end with "
        "a lower loss.",
        "partly yes": "In part: group norm in place of batch norm lowers the loss for {lower}. For "
        "{open} these runs cannot tell.",
        "cannot tell": "These runs cannot tell group norm from batch norm.",
        "partly reverse": "In part: group norm in place of batch norm raises the loss for "
        "{higher}. For {open} these runs cannot tell.",
        "reverse": "Yes: with group norm in place of batch norm both networks, told t or not, end "
        "with a higher loss.",
        "mixed": "It depends: group norm in place of batch norm lowers the loss for {lower} and "
        "raises it for {higher}.",
    },
    "Within a pair only the norm differs, and the number of parameters is the same. Batch norm "
    "normalises with the batch while it trains and with running averages when it is judged, which "
    "group norm does not: what a lower loss is owed to, the pair does not say.",
)
ENCODING = Question(
    "Does the encoding matter?",
    (
        Pair("simple_matched", "sinusoidal_matched", "the sinusoid in place of the scalar"),
        Pair("sinusoidal", "fourier", "random Fourier features in place of the sinusoid"),
    ),
    {
        "yes": "Yes: the sinusoid ends lower than the scalar, and random Fourier features lower "
        "than the sinusoid, with everything else equal.",
        "partly yes": "In part: {lower} lowers the loss, with everything else equal. For {open} "
        "these runs cannot tell.",
        "cannot tell": "These runs cannot tell the encodings apart: not the sinusoid from the "
        "scalar, and not random Fourier features from the sinusoid.",
        "partly reverse": "In part, and not as richer encodings promise: {higher} raises the loss, "
        "with everything else equal. For {open} these runs cannot tell.",
        "reverse": "Yes, and not as richer encodings promise: the sinusoid ends higher than the "
        "scalar, and random Fourier features higher than the sinusoid, with everything else equal.",
        "mixed": "Yes, in one direction and the other: {lower} lowers the loss and {higher} raises "
        "it, with everything else equal.",
    },
    "Within a pair only the 256 numbers that stand for t differ: same layers, same starting "
    "weights, same channels, as many parameters.",
)
PLACE = Question(
    "Does the place of injection matter?",
    (Pair("gn_bottleneck", "gn_additive", "every block in place of the bottleneck"),),
    {
        "yes": "Yes: told in every block, the network ends with a lower loss than told at the "
        "bottleneck alone.",
        "cannot tell": "These runs cannot tell a shift in every block from one at the bottleneck.",
        "reverse": "Yes, and against the custom of the field: told at the bottleneck alone, the "
        "network ends with a lower loss than told in every block.",
    },
    "Both add a projection of one embedding, and both have group norm. Six projections have more "
    "parameters than one; and in the blocks the shift comes after the first norm, while at the "
    "bottleneck it comes after the whole block.",
)
ADAGN = Question(
    "AdaGN against addition?",
    (Pair("gn_additive", "adagn", "AdaGN in place of addition"),),
    {
        "yes": "AdaGN: a scale and a shift end with a lower loss than a shift alone, in the same "
        "six places.",
        "cannot tell": "These runs cannot tell AdaGN from addition in the same six places.",
        "reverse": "Addition: a shift alone ends with a lower loss than a scale and a shift, in "
        "the same six places.",
    },
    "Both have group norm and the same places. AdaGN's projections are twice as wide; the additive "
    "network has a scale and a shift of its own in each of these norms, which t does not change.",
)
QUESTIONS = {"help": HELP, "norm": NORM, "encoding": ENCODING, "place": PLACE, "adagn": ADAGN}


def answer(question: Question, runs: Mapping[str, Sequence[Run]]) -> Answer:
    """Let runs answer a question.

    Args:
        question: One of `QUESTIONS`, or one of your own.
        runs: For each variant that the question names, its runs, one for each seed.

    Returns:
        The comparisons with a verdict, ``"yes"`` or ``"reverse"`` if every pair comes out for
        its second or first network, ``"cannot tell"`` if none can be told apart, ``"mixed"`` if
        pairs contradict one another, and ``"partly yes"`` or ``"partly reverse"`` if some come
        out so and others cannot be told apart.

    Raises:
        ValueError: Runs that the question needs are missing, and the message has the commands that
            make them; or as `condlesson.experiment.comparison.paired_difference`.
    """
    if commands := _commands(question, runs):
        raise ValueError(
            f"runs must have all that the question compares, {len(commands)} are missing. Put your "
            "folders in the place of DIR and OUT:\n" + "\n".join(commands)
        )
    differences = tuple(paired_difference(runs[p.a], runs[p.b]) for p in question.pairs)
    return Answer(question, differences, _verdict(differences))


def _commands(question: Question, runs: Mapping[str, Sequence[Run]]) -> list[str]:
    """Commands for the runs that a question lacks: every variant with each seed that one has."""
    needed = dict.fromkeys(name for pair in question.pairs for name in (pair.a, pair.b))
    here = [run.config for name in needed for run in runs.get(name, ())] or [TIERS["small"]]
    wanted = {replace(config, variant=name): None for name in needed for config in here}
    known = {run.config for name in needed for run in runs.get(name, ())}
    return [train_command(config, "OUT") for config in wanted if config not in known]


def bonferroni(comparisons: int, level: float = 0.95) -> float:
    """The level at which that many intervals hold their true means all at once.

    1 - (1 - level) / comparisons: the chances to miss add up at most.

    Args:
        comparisons: How many intervals are looked at together, at least 1.
        level: Probability that all of them hold.

    Returns:
        The level of each.

    Raises:
        ValueError: There is no comparison.
    """
    if comparisons < 1:
        raise ValueError(f"comparisons must be at least 1, got {comparisons}.")
    return 1 - (1 - level) / comparisons


def _verdict(differences: Sequence[PairedDifference]) -> str:
    """One word for how all pairs came out."""
    won = {d.winner == d.b for d in differences if d.winner is not None}
    if len(won) != 1:
        return "mixed" if won else "cannot tell"
    word = "yes" if won.pop() else "reverse"
    return f"partly {word}" if any(d.winner is None for d in differences) else word


def _listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
