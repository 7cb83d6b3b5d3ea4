"""Checks that readers run on their own code: right or not, and which mistake it is.

Each check is called with the learner's function or class and returns a `CheckResult`, which shows
itself in a notebook and as text. No check raises, takes more than ten seconds, or leaves a trace
in the session.
"""

from condlesson.checks.fourier import *  # noqa: F403
from condlesson.checks.quick import *  # noqa: F403
from condlesson.checks.result import CheckResult, progress  # noqa: F401
from condlesson.checks.sinusoid import *  # noqa: F403
from condlesson.checks.timestep import *  # noqa: F403
