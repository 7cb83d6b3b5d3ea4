"""What every check says of itself, of an answer that fails, and of one that is only begun."""

import re

import pytest
from torch import nn

from condlesson import checks, conditioning, embeddings, exercises, guidance, unet
from condlesson.scaffold import begun

pytestmark = pytest.mark.usefixtures("one_thread")

LAYER = "The layer, with h (3, 12, 5, 7) and t_emb (3, 16),"
MODULE = "The module, called with 6 timesteps,"
# The package's own answer; how one is called first; and what then fails, if that is a class.
CHECKS = {
    checks.check_adagn: (conditioning.AdaGN, "(12, 16, 4)", LAYER),
    checks.check_additive_block: (exercises.AdditiveBlock, "(3, 12, 16, 4)", "The block"),
    checks.check_additive_gn: (conditioning.AdditiveGN, "(12, 16, 4)", LAYER),
    checks.check_ddim_update: (
        exercises.ddim_update,
        "(x_t, noise_pred, alpha_bar_t, alpha_bar_prev) with x_t (3, 1, 4, 5)",
        "",
    ),
    checks.check_draw_timesteps: (exercises.draw_timesteps, "(5, 1000)", ""),
    checks.check_guided_prediction: (
        guidance.guided_prediction,
        "(model, x_t, t, labels, null_label, scale) with x_t (3, 1, 4, 5) and scale = 3",
        "",
    ),
    checks.check_interleaved_embedding: (
        exercises.interleaved_embedding,
        "(t, 256) with 6 timesteps",
        "",
    ),
    checks.check_interval_scale: (
        guidance.interval_scale,
        "(t, 3, 300, 800) with t = [0, 299, 300, 301, 550, 799, 800, 999]",
        "",
    ),
    checks.check_random_fourier_features: (embeddings.RandomFourierFeatures, "(256)", MODULE),
    checks.check_similarity_at: (
        exercises.similarity_at,
        "(distance, 256) with distances of shape (1000,)",
        "",
    ),
    checks.check_similarity_matrix: (
        exercises.similarity_matrix,
        "(embeddings) with shape (5, 8)",
        "",
    ),
    checks.check_sinusoidal_embedding: (
        exercises.embed_timesteps,
        "(t, 256) with 6 timesteps",
        "",
    ),
    checks.check_time_and_class: (
        exercises.TimeAndClass,
        "(4, 6)",
        "The module, called with t_emb (5, 6) and the labels 0 .. 4,",
    ),
    checks.check_timestep_embedding: (embeddings.TimestepEmbedding, "(256, 512)", MODULE),
    checks.check_timestep_mlp: (exercises.TimestepMLP, "(256, 512)", MODULE),
    checks.check_told_batch: (exercises.told_batch, "(..., 20, 9, 0.0, True)", ""),
    checks.check_unet_sinusoidal: (
        unet.UNetSinusoidal,
        "()",
        "The network, with x_t (2, 1, 28, 28) and t (2,),",
    ),
    checks.check_zero_init_adagn: (exercises.ZeroInitAdaGN, "(12, 16, 4)", LAYER),
}
FOR_CLASSES = [check for check, (*_, what) in CHECKS.items() if what]
FOR_FUNCTIONS = [check for check, (*_, what) in CHECKS.items() if not what]
WITH_A_BUG = [checks.check_additive_block, checks.check_draw_timesteps, checks.check_timestep_mlp]


def fails(*args, **options):
    raise ValueError("no such hand")


class Fails(nn.Module):
    def __init__(self, *args, **options):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, *args):
        raise ValueError("no such hand")


def each(checks):
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


def test_every_check_is_here():
    assert {check.__name__ for check in CHECKS} == {n for n in checks.__all__ if "check_" in n}


@each(CHECKS)
def test_a_result_has_the_name_of_its_check(check):
    assert check(None).name == check.__name__


@each(CHECKS)
def test_an_answer_that_fails_is_told_how_it_was_called(check):
    (message,) = check(fails).messages
    assert message.startswith(f"fails{CHECKS[check][1]} raised ValueError at line ")
    assert message.endswith(": no such hand.")


@each(FOR_CLASSES)
def test_an_object_that_fails_is_told_how_it_was_called(check):
    (message,) = check(Fails).messages
    assert message.startswith(f"{CHECKS[check][2]} raised ValueError at line ")


@each(CHECKS)
def test_what_is_no_answer_is_told_how_one_is_called(check):
    kind = "class" if check in FOR_CLASSES else "function"
    (message,) = check(7).messages
    assert re.fullmatch(
        rf"You handed in an int; this check takes a {kind}, which is called \w+\(.*\).", message
    )


@each(FOR_FUNCTIONS)
def test_a_class_in_the_place_of_a_function_is_told_how_one_is_called(check):
    (message,) = check(Fails).messages
    assert message.startswith("You handed in the class Fails; this check takes a function, which")


@each(CHECKS)
def test_an_answer_that_is_only_begun_is_not_done(check):
    result = check(begun(CHECKS[check][0]))
    assert result.status == ("wrong" if check in WITH_A_BUG else "not done")
    assert result.messages[0].startswith("TODO ") != (check in WITH_A_BUG)
