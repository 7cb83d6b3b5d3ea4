"""Checks that readers run on their own code: right or not, and which mistake it is.

Each is called with the learner's function or class and returns a `CheckResult`, which shows itself
in a notebook and as text. What decides is what the code does, never how it is written. No check
raises, takes more than ten seconds, or leaves a trace in the session. `progress` sums them up.

A check needs no source code of the answer: it calls it, sets its parameters, and looks at what
comes out. Its tests have two tables, right answers and wrong ones, each wrong one with a piece of
the message that names its mistake. Found an answer that is judged wrong, or a message that names
another mistake? Put it into the table first, see the test fail, then mend the check.
"""

from condlesson.checks.adagn import check_adagn, check_zero_init_adagn
from condlesson.checks.additive_block import check_additive_block
from condlesson.checks.additive_gn import check_additive_gn
from condlesson.checks.diffusion import check_ddim_update, check_draw_timesteps
from condlesson.checks.embedding import check_interleaved_embedding, check_sinusoidal_embedding
from condlesson.checks.fourier import check_random_fourier_features
from condlesson.checks.guidance import check_guided_prediction
from condlesson.checks.harness.remembered import hand_in, remember
from condlesson.checks.harness.result import CheckResult, progress
from condlesson.checks.interval_scale import check_interval_scale
from condlesson.checks.similarity import check_similarity_at, check_similarity_matrix
from condlesson.checks.time_and_class import check_time_and_class
from condlesson.checks.timestep_mlp import check_timestep_embedding, check_timestep_mlp
from condlesson.checks.told_batch import check_told_batch
from condlesson.checks.unet import check_unet_sinusoidal

__all__ = [
    "CheckResult",
    "check_adagn",
    "check_additive_block",
    "check_additive_gn",
    "check_ddim_update",
    "check_draw_timesteps",
    "check_guided_prediction",
    "check_interleaved_embedding",
    "check_interval_scale",
    "check_random_fourier_features",
    "check_similarity_at",
    "check_similarity_matrix",
    "check_sinusoidal_embedding",
    "check_time_and_class",
    "check_timestep_embedding",
    "check_timestep_mlp",
    "check_told_batch",
    "check_unet_sinusoidal",
    "check_zero_init_adagn",
    "hand_in",
    "progress",
    "remember",
]
