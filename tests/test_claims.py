"""What the pages say in words of the recorded runs, checked against these runs.

Recording the runs anew may make a sentence false. Then the test that is named after its page
fails: mend the sentence, and the test with it.
"""

import pytest
import torch

from condlesson.comparison import paired_difference
from condlesson.probes import cosine_similarity_matrix, modulation, pair_similarities
from condlesson.runs import SEEDS, load_model, load_run
from condlesson.training import make_model
from condlesson.unet import VARIANTS


@pytest.fixture(scope="module")
def runs():
    return {variant: [load_run(variant, seed) for seed in SEEDS] for variant in VARIANTS}


@pytest.fixture(scope="module")
def trained():
    return load_model(load_run("adagn", seed=42))


@torch.no_grad()
def test_exercise_2_training_widened_the_neighbourhoods_and_bent_the_clock():
    run = load_run("sinusoidal", seed=42)
    before, after = make_model(run.config), load_model(run)
    pair = [(500, 510)]
    assert pair_similarities(before.embed, pair)[0] < 0.8 < pair_similarities(after.embed, pair)[0]
    matrix = cosine_similarity_matrix(after.embed(torch.arange(0, 1000, 10)))
    assert matrix[50, 90] > 0.7  # late timesteps have almost merged
    assert matrix[0, 40] < 0  # early ones point away from each other


@torch.no_grad()
def test_exercise_3_first_block_goes_down_coarse_blocks_do_not_go_up(trained):
    louder, spread = {}, {}
    for name in ("enc_1", "enc_2", "enc_3", "bottleneck", "dec_2", "dec_1"):
        t_emb = trained.embed(torch.tensor([50, 950]))
        gamma, _ = modulation(getattr(trained, name).norm_1, t_emb)
        louder[name] = (gamma[1] > gamma[0]).float().mean().item()
        spread[name] = (gamma[1].std() / gamma[0].std()).item()
    assert louder["enc_1"] < 0.2
    assert 0.4 < louder["bottleneck"] < 0.6
    assert louder["dec_1"] > 0.5
    assert all(spread[name] > 1.3 for name in ("enc_2", "enc_3", "bottleneck", "dec_2"))


@torch.no_grad()
def test_exercise_3_early_timesteps_get_most_of_the_score(trained):
    t = torch.tensor([0, 400, 990])
    for values in modulation(trained.enc_1.norm_1, trained.embed(t)):
        moved = (values - values[0]).abs().mean(dim=1)
        assert moved[1] / moved[2] > 0.6
