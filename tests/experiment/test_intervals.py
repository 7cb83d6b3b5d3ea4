import math
import statistics

import pytest

from condlesson.experiment.intervals import (
    further_interval,
    jackknife,
    mean_and_sd,
    mean_interval,
    student_quantile,
)

# Student's t, 97.5% quantile by degrees of freedom, as statistical tables print it.
PRINTED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 9: 2.262, 30: 2.042}
VALUES = [0.01, 0.02, 0.06]


@pytest.mark.parametrize(("df", "expected"), PRINTED.items())
def test_quantile_is_that_of_the_tables(df, expected):
    assert student_quantile(df) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("df", range(1, 12))
@pytest.mark.parametrize("level", [0.5, 0.95, 0.997])
def test_quantile_holds_its_level(df, level):
    """Student's density, integrated by Simpson's rule from 0 to the quantile."""
    norm = math.gamma((df + 1) / 2) / (math.sqrt(df * math.pi) * math.gamma(df / 2))
    n, q = 20_000, student_quantile(df, level)
    xs = [q * k / n for k in range(n + 1)]
    weights = [1, *([4, 2] * (n // 2 - 1)), 4, 1]
    area = sum(
        w * norm * (1 + x * x / df) ** (-(df + 1) / 2) for w, x in zip(weights, xs, strict=True)
    )
    assert 2 * area * q / n / 3 == pytest.approx(level, abs=1e-6)


@pytest.mark.parametrize(("df", "level"), [(0, 0.95), (2, 0.0), (2, 1.0), (2, 95)])
def test_quantile_refuses(df, level):
    with pytest.raises(ValueError, match=r"(df|level) must"):
        student_quantile(df, level)


def test_interval_is_students():
    half = 4.3027 * statistics.stdev(VALUES) / math.sqrt(3)
    assert mean_interval(VALUES) == pytest.approx((0.03, 0.03 - half, 0.03 + half), abs=1e-5)


def test_a_higher_level_makes_a_wider_interval():
    widths = [high - low for _, low, high in (mean_interval(VALUES, p) for p in (0.9, 0.95, 0.99))]
    assert widths == sorted(widths)
    assert widths[0] < widths[2] / 2


def test_one_number_gives_no_interval():
    assert mean_interval([0.3]) == (0.3, -math.inf, math.inf)


def test_a_further_number_is_less_sure_than_the_mean():
    half = 4.3027 * statistics.stdev(VALUES) * math.sqrt(4 / 3)
    assert further_interval(VALUES) == pytest.approx((0.03 - half, 0.03 + half), abs=1e-5)
    with pytest.raises(ValueError, match="df must be at least 1, got 0"):
        further_interval([0.3])


def test_no_number_has_no_mean():
    assert mean_and_sd(VALUES) == pytest.approx((0.03, statistics.stdev(VALUES)))
    with pytest.raises(ValueError, match="values must hold at least one number, got none"):
        mean_and_sd([])


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    mean, error = jackknife(lambda rows: statistics.mean(values[k] for k in rows), len(values))
    assert mean == pytest.approx(2.8)
    assert error == pytest.approx(statistics.stdev(values) / math.sqrt(5))


def test_the_jackknife_of_a_variance_is_near_the_textbooks():
    """For normal values the variance has the standard error sqrt(2 / (n - 1)) * variance."""
    quantile = statistics.NormalDist().inv_cdf
    values = [quantile((k + 0.5) / 400) for k in range(400)]
    variance, error = jackknife(lambda rows: statistics.variance(values[k] for k in rows), 400)
    assert error == pytest.approx(math.sqrt(2 / 399) * variance, rel=0.05)


def test_one_item_has_no_jackknife():
    with pytest.raises(ValueError, match="n must be at least 2, got 1"):
        jackknife(len, 1)
