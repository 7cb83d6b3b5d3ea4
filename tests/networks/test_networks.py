"""What the designs say of the networks, held against the networks."""

import pytest
from torch import nn

import condlesson
from condlesson import unet
from condlesson.conditioning import AdaGN, AdditiveGN
from condlesson.embeddings import FourierTimestepEmbedding, TimestepEmbedding
from condlesson.experiment.answers import QUESTIONS
from condlesson.networks import DESIGNS, NETWORKS, VARIANTS, differing
from condlesson.training import TrainConfig, make_model
from condlesson.unet import UNet, count_parameters

every_design = pytest.mark.parametrize("name", DESIGNS)
# What the pairs of a question may differ in. Whoever is told nothing has no path at all.
CHANGED = {
    "help": {"encoding", "mlp", "place", "action"},
    "norm": {"norm"},
    "encoding": {"encoding"},
    "place": {"place"},
    "adagn": {"action"},
}


@pytest.fixture(scope="module")
def models():
    return {name: make_model(TrainConfig(variant=name)) for name in VARIANTS}


def kinds(model, *classes):
    return [module for module in model.modules() if isinstance(module, classes)]


def test_all_that_is_told_of_a_network_comes_from_its_record():
    compared = [name for name, network in NETWORKS.items() if network.is_compared]
    assert list(VARIANTS) == list(DESIGNS) == compared
    assert condlesson.VARIANTS is unet.VARIANTS is VARIANTS
    with pytest.raises(AttributeError, match=r"'condlesson\.unet' has no attribute 'VARIANT'"):
        unet.VARIANT  # noqa: B018


def test_each_network_that_is_told_t_is_asked_whether_that_helps():
    told = {name for name, design in DESIGNS.items() if design.place != "–"}
    assert {b for _, b in QUESTIONS["help"].pairs} == told
    norms = {(DESIGNS[a].norm, a) for a, _ in QUESTIONS["help"].pairs}
    assert norms == {("batch", "none"), ("group", "gn_none")}


@every_design
def test_the_norm_is_as_it_says(models, name):
    norms = {type(module) for module in kinds(models[name], nn.BatchNorm2d, nn.GroupNorm)}
    assert norms == {{"batch": nn.BatchNorm2d, "group": nn.GroupNorm}[DESIGNS[name].norm]}


@every_design
def test_the_layers_are_as_wide_as_it_says(models, name):
    if DESIGNS[name].mlp == "–":
        assert kinds(models[name], nn.Linear) == []
        return
    path = [m for n, m in models[name].named_modules() if n.startswith(("time_mlp", "time_embed"))]
    linear = [module for module in path if isinstance(module, nn.Linear)]
    widths = [linear[0].in_features, *(layer.out_features for layer in linear)]
    assert DESIGNS[name].mlp.split(", ")[:-1] == [str(width) for width in widths]


@every_design
def test_it_enters_where_it_says_and_does_what_it_says(models, name):
    design, model = DESIGNS[name], models[name]
    told = kinds(model, AdaGN, AdditiveGN)
    assert (design.place == "every block") == (len(told) == 6)
    assert (design.action == "scales and adds") == bool(kinds(model, AdaGN))
    overridden = type(model).condition is not UNet.condition
    assert overridden == ("bottleneck" in design.place)
    if overridden:
        whole = hasattr(model, "time_projection")
        assert whole == (design.place == "bottleneck")


@every_design
def test_the_encoding_is_what_it_says(models, name):
    model, encoding = models[name], DESIGNS[name].encoding
    assert (encoding == "random Fourier features") == bool(kinds(model, FourierTimestepEmbedding))
    sinusoid = TimestepEmbedding in {type(module) for module in model.modules()}
    sinusoid = sinusoid or getattr(model, "encoding", "") == "sinusoid"
    assert (encoding == "sinusoid") == sinusoid


@pytest.mark.parametrize("name", QUESTIONS)
def test_pairs_differ_in_what_is_asked_about_and_in_nothing_else(name):
    for a, b in QUESTIONS[name].pairs:
        assert set(differing(a, b)) == CHANGED[name]


@pytest.mark.parametrize("name", ["norm", "encoding"])
def test_where_the_words_say_so_the_parameters_are_as_many(models, name):
    for a, b in QUESTIONS[name].pairs:
        assert count_parameters(models[a]) == count_parameters(models[b])


def test_simple_and_sinusoidal_differ_in_three_parts():
    assert differing("simple", "sinusoidal") == ["encoding", "mlp", "place"]
