"""How sure a few numbers can be: Student's interval of a mean, and the jackknife.

The mean of n numbers that are about normal lies, in the stated share of cases, within

    mean +- q * sd / sqrt(n)

of the true mean, and a further number within mean +- q * sd * sqrt(1 + 1/n), with the quantile q of
Student's t for n - 1 degrees of freedom. For a statistic that is no mean, the jackknife leaves out
one item after the other and sees how far the statistic moves.

Source: Student 1908, Biometrika 6(1); Tukey 1958, Annals of Mathematical Statistics 29(2).
"""

import math
from collections.abc import Callable, Sequence

__all__ = [
    "further_interval",
    "jackknife",
    "mean_and_sd",
    "mean_interval",
    "student_probability",
    "student_quantile",
]


def student_quantile(df: int, level: float = 0.95) -> float:
    """The q for which a t-distributed number lies between -q and q with probability level.

    Args:
        df: Degrees of freedom, 1 or more.
        level: Probability, above 0 and below 1.

    Returns:
        q, found by bisection to about 12 digits.

    Raises:
        ValueError: A number is out of range.
    """
    if df < 1:
        raise ValueError(f"df must be at least 1, got {df}. It is the number of values less 1.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}. 95% is 0.95.")
    low, high = 0.0, math.pi / 2  # of the angle atan(q / sqrt(df))
    while high - low > 1e-13:
        middle = (low + high) / 2
        low, high = (middle, high) if _central(middle, df) < level else (low, middle)
    return math.sqrt(df) * math.tan((low + high) / 2)


def student_probability(t: float, df: int) -> float:
    """Probability that a t-distributed number is as far from 0 as t, or farther.

    Args:
        t: The number; its sign plays no part.
        df: Degrees of freedom, 1 or more.

    Raises:
        ValueError: df is below 1.
    """
    if df < 1:
        raise ValueError(f"df must be at least 1, got {df}. It is the number of values less 1.")
    return 1 - _central(math.atan(abs(t) / math.sqrt(df)), df)


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean of some numbers, and the low and high end of its interval.

    Args:
        values: At least one number. One alone gives no interval: it reaches over all numbers.
        level: Share of such intervals that hold the true mean.

    Returns:
        Mean, low end, high end.

    Raises:
        ValueError: There is no number.
    """
    mean, sd = mean_and_sd(values)
    if len(values) == 1:
        return mean, -math.inf, math.inf
    half_width = student_quantile(len(values) - 1, level) * sd / math.sqrt(len(values))
    return mean, mean - half_width, mean + half_width


def further_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Where a further number of the same kind lies, in the stated share of cases.

    Args:
        values: At least two numbers.
        level: The share.

    Returns:
        Low and high end.

    Raises:
        ValueError: There are fewer than two.
    """
    mean, sd = mean_and_sd(values)
    n = len(values)
    half_width = student_quantile(n - 1, level) * sd * math.sqrt(1 + 1 / n)
    return mean - half_width, mean + half_width


def mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation, with n - 1 below; the latter is 0 for a single number.

    Raises:
        ValueError: There is no number.
    """
    if not values:
        raise ValueError("values must hold at least one number, got none.")
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / max(len(values) - 1, 1))


def jackknife(statistic: Callable[[list[int]], float], n: int) -> tuple[float, float]:
    """A statistic of n items, and its standard error over the items.

    se = sqrt((n - 1) / n * sum_i (s_i - mean(s))^2),   s_i = statistic without item i

    For a mean it is the usual sd / sqrt(n). Unlike the bootstrap it draws nothing at random, and it
    repeats no item, which would move statistics such as a Fréchet distance.

    Args:
        statistic: Called with the indices of the items to use.
        n: Number of items, 2 or more.

    Returns:
        The statistic of all items, and its standard error.

    Raises:
        ValueError: n is below 2.

    Source: Tukey 1958, Annals of Mathematical Statistics 29(2).
    """
    if n < 2:
        raise ValueError(f"n must be at least 2, got {n}.")
    everything = list(range(n))
    without = [statistic(everything[:i] + everything[i + 1 :]) for i in everything]
    _, sd = mean_and_sd(without)
    return statistic(everything), sd * (n - 1) / math.sqrt(n)


def _central(angle: float, df: int) -> float:
    """Probability that t lies within +- sqrt(df) * tan(angle).

    Source: Abramowitz and Stegun 1964, formulas 26.7.3 and 26.7.4.
    """
    cosine, odd = math.cos(angle), df % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(2 + odd, df + 1, 2):
        total += term
        term *= cosine**2 * (k - 1) / k
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
