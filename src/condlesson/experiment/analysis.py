"""What the planned runs say: differences in per cent of the loss, and words for them.

The model is a two-way layout. The logarithm of the final loss of network n with seed s is

    y_sn = mean + seed_s + network_n + e_sn,   e_sn independent and normal with one spread sigma

so that the difference of two networks over S seeds has the standard error sigma * sqrt(2 / S), and
sigma is pooled over all N networks of a norm, with (S - 1)(N - 1) degrees of freedom. Pairs across
norms pool the scatter of their own differences, as if they were independent: no test looks at
them. If a test of the assumptions fails for a norm, each pair within it falls back on its own
scatter, with S - 1 degrees of freedom.

Differences of logarithms are differences in per cent of the loss. Intervals of a family hold all
together (Bonferroni).

Source: Tukey 1949, Biometrics 5(3) (additivity); Schuirmann 1987, Journal of Pharmacokinetics and
Biopharmaceutics 15(6) (two one-sided tests).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from condlesson.experiment.intervals import mean_and_sd, student_probability, student_quantile
from condlesson.experiment.plan import ALPHA, LEVEL, MARGIN, Pair
from condlesson.tables import true_minus

__all__ = [
    "Assumptions",
    "Estimate",
    "Layout",
    "conclude",
    "estimate_pairs",
    "fit",
    "pilot_spreads",
    "power",
    "trend",
]

DRAWS = 20_000  # of a simulated distribution; of a tenth of them, a probability of 0.01 has an
# error of 0.002


@dataclass(frozen=True)
class Assumptions:
    """Probabilities of what is seen, or more of it, if the model holds.

    Attributes:
        additive: That networks differ by the same share with every seed (Tukey's test).
        even: That all networks scatter alike (Cochran's test).
        normal: That the residuals have tails as a normal distribution has (their kurtosis).
    """

    additive: float
    even: float
    normal: float

    @property
    def hold(self) -> bool:
        """Whether none of the tests fails."""
        return min(self.additive, self.even, self.normal) >= ALPHA


@dataclass(frozen=True)
class Layout:
    """A fitted two-way layout.

    Attributes:
        sd: The pooled spread sigma of the logarithm of the loss.
        df: Its degrees of freedom.
        assumptions: What the tests of the model say.
    """

    sd: float
    df: int
    assumptions: Assumptions


@dataclass(frozen=True)
class Estimate:
    """How far the loss of b lies from that of a.

    Attributes:
        a: The network that b is judged against.
        b: The other one.
        mean: Mean difference of the logarithms of the losses.
        error: Its standard error.
        df: Degrees of freedom of the error.
        comparisons: How many intervals hold together.
        pooled: Whether the scatter is that of a layout, or of this pair alone.
        values: The difference of each seed as a share of a's loss.
    """

    a: str
    b: str
    mean: float
    error: float
    df: int
    comparisons: int
    pooled: bool
    values: tuple[float, ...] = ()

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Ends of the interval of the relative difference, which holds together with the others.

        One seed gives none: then they are -1 and infinity.
        """
        if not self.df:
            return -1.0, math.inf
        quantile = student_quantile(self.df, 1 - (1 - level) / self.comparisons)
        ends = (self.mean - quantile * self.error, self.mean + quantile * self.error)
        return math.expm1(ends[0]), math.expm1(ends[1])

    @property
    def relative(self) -> float:
        """The difference as a share of a's loss, below 0 where b is lower."""
        return math.expm1(self.mean)

    @property
    def low(self) -> float:
        """Lower end of the interval at the plan's level."""
        return self.interval()[0]

    @property
    def high(self) -> float:
        """Upper end of it."""
        return self.interval()[1]

    def in_percent(self) -> tuple[list[float], float, float]:
        """Differences of the seeds and ends of the interval, in per cent, as figures take them."""
        low, high = self.interval()
        return [100 * value for value in self.values], 100 * low, 100 * high

    @property
    def verdict(self) -> str:
        """``"lower"``, ``"higher"``, ``"the same"`` within the margin, or ``"open"``."""
        low, high = self.interval()
        if low > 0 or high < 0:
            return "higher" if low > 0 else "lower"
        return "the same" if self.is_small else "open"

    @property
    def is_small(self) -> bool:
        """Whether two one-sided tests place the difference within the margin, on either side."""
        if not self.df:
            return False
        low, high = self.interval(1 - 2 * (1 - LEVEL))
        return math.log1p(low) > -math.log1p(MARGIN) and math.log1p(high) < math.log1p(MARGIN)


def fit(losses: Mapping[str, Sequence[float]]) -> Layout:
    """Fit the two-way layout.

    Args:
        losses: For each network its final losses, one for each seed, in one order of seeds.

    Returns:
        The layout.

    Raises:
        ValueError: There are fewer than two networks or seeds, or not as many losses for each.
    """
    y = np.log(_table(losses))
    residuals = _residuals(y)
    df = (y.shape[0] - 1) * (y.shape[1] - 1)
    sd = math.sqrt((residuals**2).sum() / df)
    return Layout(sd, df, _assumptions(y, residuals, df))


def estimate_pairs(
    losses: Mapping[str, Sequence[float]],
    pairs: Sequence[Pair],
    groups: Sequence[Sequence[str]],
    comparisons: int | None = None,
) -> list[Estimate]:
    """Estimate planned differences.

    Args:
        losses: As for `fit`, of all networks.
        pairs: What is compared: the second of each is judged against the first.
        groups: Networks whose scatter is pooled, those of one norm.
        comparisons: How many intervals hold together; by default as many as there are pairs.

    Returns:
        An estimate for each pair.

    Raises:
        ValueError: As `fit`.
    """
    comparisons = comparisons or len(pairs)
    layouts = {tuple(group): fit({name: losses[name] for name in group}) for group in groups}
    across = [pair for pair in pairs if _group_of(pair, layouts) is None]
    pooled = _pooled_spread([_differences(losses, pair) for pair in across])
    estimates = []
    for pair in pairs:
        group, values = _group_of(pair, layouts), _differences(losses, pair)
        sd, df, is_pooled = *pooled, len(across) > 1
        if group is not None:
            layout, is_pooled = layouts[group], layouts[group].assumptions.hold
            sd, df = layout.sd * math.sqrt(2), layout.df
        if not is_pooled:
            sd, df = mean_and_sd(values)[1], len(values) - 1
        error = sd / math.sqrt(len(values))
        mean, shares = mean_and_sd(values)[0], tuple(map(math.expm1, values))
        estimates.append(Estimate(*pair, mean, error, df, comparisons, is_pooled, shares))
    return estimates


def conclude(estimate: Estimate) -> str:
    """State in a sentence or two what an estimate shows, with its numbers, and no more."""
    if not estimate.df:
        side = "below" if estimate.relative < 0 else "above"
        return (
            f"With one seed, {estimate.b} ends {abs(estimate.relative):.1%} {side} {estimate.a}. "
            "One seed gives no interval, so nothing follows from it about the two networks."
        )
    low, high, mean = (true_minus(f"{x:+.1%}") for x in (*estimate.interval(), estimate.relative))
    interval = f"interval {low} to {high}"
    numbers = f"{mean} of the loss, {interval}"
    a, b, share = estimate.a, estimate.b, f"{abs(estimate.relative):.1%}"
    if estimate.verdict in ("lower", "higher"):
        side = "below" if estimate.verdict == "lower" else "above"
        small = f" A difference of less than {MARGIN:.0%} is small." if estimate.is_small else ""
        return f"{b} ends {share} {side} {a} ({interval}).{small}"
    if estimate.verdict == "the same":
        return f"{b} and {a} end with the same loss within {MARGIN:.0%} ({numbers})."
    return f"Whether {b} ends below or above {a} is open ({numbers})."


def trend(gains: Mapping[int, Sequence[float]], comparisons: int = 1) -> Estimate:
    """How the gain from t changes when the pixels grow fourfold.

    Args:
        gains: For each number of pixels a side, for each seed the logarithm of the loss of the
            network that is not told t over that of the one that is.
        comparisons: How many intervals hold together.

    Returns:
        The mean over seeds of the slope of the gain on log_2 of the side; below 0 where more
        pixels make t worth less.

    Raises:
        ValueError: There are fewer than two sizes or seeds.
    """
    table = _table({str(size): np.exp(values) for size, values in gains.items()})
    x = np.log2(list(gains))
    x = x - x.mean()
    slopes = x @ np.log(table) / (x @ x)
    mean, sd = mean_and_sd(slopes.tolist())
    error = sd / math.sqrt(len(slopes))
    return Estimate("fewer pixels", "more pixels", mean, error, len(slopes) - 1, comparisons, False)


def power(sd: float, seeds: int, networks: int, comparisons: int) -> dict[str, float]:
    """How often the planned rule comes to a verdict, by simulation.

    Args:
        sd: Spread sigma of the logarithm of the loss.
        seeds: Number of seeds S.
        networks: Number of networks N whose scatter is pooled.
        comparisons: How many intervals hold together.

    Returns:
        ``told``: the share of cases in which a difference of the margin is told from none;
        ``same``: the share in which networks that do not differ are called the same.
    """
    rng = np.random.default_rng(0)
    df = (seeds - 1) * (networks - 1)
    error = sd * math.sqrt(2 / seeds)
    found = error * np.sqrt(rng.chisquare(df, DRAWS) / df)
    luck = error * rng.standard_normal(DRAWS)
    apart, equal = (student_quantile(df, 1 - share * (1 - LEVEL) / comparisons) for share in (1, 2))
    margin = math.log1p(MARGIN)
    told = (np.abs(margin + luck) > apart * found).mean()
    same = ((np.abs(luck) + equal * found < margin) & (np.abs(luck) <= apart * found)).mean()
    return {"told": float(told), "same": float(same)}


def pilot_spreads(
    runs: Mapping[str, Mapping[str, float]], pairs: Sequence[Pair]
) -> dict[str, tuple[float, float]]:
    """How each way to end a run fares in a pilot.

    Args:
        runs: For each run, ``variant-seedN``, its loss with each way.
        pairs: Networks whose differences are looked at.

    Returns:
        For each way the spread of a pair's relative difference from seed to seed, pooled over the
        pairs, and the mean loss as a share of that of the first way.
    """
    ways, seeds = list(next(iter(runs.values()))), sorted({name.split("-")[1] for name in runs})
    found = {}
    for way in ways:
        losses = {
            name: [runs[f"{name}-{seed}"][way] for seed in seeds] for pair in pairs for name in pair
        }
        spread, _ = _pooled_spread([_differences(losses, pair) for pair in pairs])
        level = np.mean([run[way] / run[ways[0]] for run in runs.values()])
        found[way] = (spread, float(level))
    return found


def _table(losses: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Losses as an array, a row for each network, checked."""
    lengths = {len(values) for values in losses.values()}
    if len(losses) < 2 or len(lengths) != 1 or min(lengths) < 2:
        raise ValueError(
            "losses must hold two networks or more, with as many seeds each, two or more, "
            f"got { ({name: len(values) for name, values in losses.items()}) }."
        )
    return np.array([list(values) for values in losses.values()], dtype=float)


def _residuals(y: np.ndarray) -> np.ndarray:
    return (
        y
        - y.mean(axis=-1, keepdims=True)
        - y.mean(axis=-2, keepdims=True)
        + y.mean(axis=(-2, -1), keepdims=True)
    )


def _assumptions(y: np.ndarray, residuals: np.ndarray, df: int) -> Assumptions:
    """Tests of the model; the distributions of two of them are simulated, with a fixed seed."""
    drawn = _residuals(np.random.default_rng(0).standard_normal((DRAWS // 10, *y.shape)))
    return Assumptions(
        additive=_tukey(y, residuals, df),
        even=_share_above(_unevenness(drawn), _unevenness(residuals)),
        normal=_share_above(_kurtosis(drawn), _kurtosis(residuals)),
    )


def _tukey(y: np.ndarray, residuals: np.ndarray, df: int) -> float:
    """Probability of Tukey's one degree of freedom for what is not additive."""
    rows, columns = y.mean(axis=1) - y.mean(), y.mean(axis=0) - y.mean()
    product = np.outer(rows, columns)
    scale = (product**2).sum()
    if df < 2 or not scale:
        return 1.0
    explained = (product * residuals).sum() ** 2 / scale
    rest = (residuals**2).sum() - explained
    return student_probability(math.sqrt(explained / (rest / (df - 1))), df - 1)


def _unevenness(residuals: np.ndarray) -> np.ndarray:
    """Largest share that a network has of the sum of squares (Cochran's statistic)."""
    squares = (residuals**2).sum(axis=-1)
    return squares.max(axis=-1) / squares.sum(axis=-1)


def _kurtosis(residuals: np.ndarray) -> np.ndarray:
    squares = residuals**2
    return (squares**2).mean(axis=(-2, -1)) / squares.mean(axis=(-2, -1)) ** 2


def _share_above(drawn: np.ndarray, seen: np.ndarray) -> float:
    return float((drawn >= seen).mean())


def _differences(losses: Mapping[str, Sequence[float]], pair: Pair) -> list[float]:
    a, b = (np.log(np.asarray(losses[name], dtype=float)) for name in pair)
    return (b - a).tolist()


def _pooled_spread(differences: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Standard deviation of differences around the mean of their own pair, and its df."""
    df = sum(len(values) - 1 for values in differences)
    squares = sum(mean_and_sd(values)[1] ** 2 * (len(values) - 1) for values in differences)
    return math.sqrt(squares / max(df, 1)), df


def _group_of(pair: Pair, layouts: Mapping[tuple[str, ...], Layout]) -> tuple[str, ...] | None:
    return next((group for group in layouts if set(pair) <= set(group)), None)
