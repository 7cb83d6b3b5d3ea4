"""Exercises whose solution the lesson has nowhere else: most are for those who finish early.

`condlesson.scaffold` makes the exercises of them. Where something is to be mended instead of
written, the comment after ``# BUG:`` is the line that the learner finds in the place of ours.
Each module has the name of the module in `condlesson.checks` that checks it.

Further exercises whose solution the lesson has anyway are `conditioning.AdditiveGN`,
`embeddings.RandomFourierFeatures`, `guidance.guided_prediction` and `guidance.interval_scale`.
"""

from condlesson.exercises.adagn import ZeroInitAdaGN
from condlesson.exercises.additive_block import AdditiveBlock
from condlesson.exercises.diffusion import ddim_update, draw_timesteps
from condlesson.exercises.embedding import embed_timesteps, interleaved_embedding
from condlesson.exercises.similarity import similarity_at, similarity_matrix
from condlesson.exercises.time_and_class import TimeAndClass
from condlesson.exercises.timestep_mlp import TimestepMLP
from condlesson.exercises.told_batch import told_batch

__all__ = [
    "AdditiveBlock",
    "TimeAndClass",
    "TimestepMLP",
    "ZeroInitAdaGN",
    "ddim_update",
    "draw_timesteps",
    "embed_timesteps",
    "interleaved_embedding",
    "similarity_at",
    "similarity_matrix",
    "told_batch",
]
