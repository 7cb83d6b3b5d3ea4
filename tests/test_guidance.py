"""Classifier-free guidance against that of diffusers, a plain loop, and what must hold of it."""

import pytest
import torch
from diffusers.guiders import ClassifierFreeGuidance
from torch import nn
from torch.testing import assert_close

from condlesson import GuidedModel, guided_prediction, sample_ddim, sample_ddpm
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.guidance import CONVENTIONS, guidance_scale, interval_scale
from condlesson.unet import UNetAdaGN

pytestmark = pytest.mark.usefixtures("one_thread")

NULL = 3
WEIGHTS = [-0.5, 0.0, 0.5, 1.0, 2.0, 7.5]
LABELS = torch.tensor([0, 2, 1, 1])


class Told(nn.Module):
    """A stand-in for a network: each image, timestep and class has an answer of its own."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x_t, t, labels):
        self.calls.append((len(x_t), t.tolist(), labels.tolist(), self.training))
        push = (t / 1000 + labels.square() - 1.5 * labels).reshape(-1, *[1] * (x_t.ndim - 1))
        return torch.tanh(x_t * (1 + labels.reshape(push.shape)) + push)


@pytest.fixture
def batch(draw):
    return draw(4, 1, 4, 4), torch.tensor([3, 500, 999, 0])


@pytest.mark.parametrize("scale", WEIGHTS)
def test_prediction_is_that_of_a_loop_over_single_images(batch, scale):
    x_t, t = batch
    rows = []
    for image, step, label in zip(x_t, t, LABELS, strict=True):
        cond = Told()(image[None], step[None], label[None])[0].double()
        uncond = Told()(image[None], step[None], torch.tensor([NULL]))[0].double()
        rows.append((1 - scale) * uncond + scale * cond)
    guided = guided_prediction(Told(), x_t, t, LABELS, NULL, scale)
    assert_close(guided, torch.stack(rows).float(), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_both_conventions_are_those_of_diffusers(batch, weight, convention):
    x_t, t = batch
    cond, uncond = Told()(x_t, t, LABELS), Told()(x_t, t, torch.full((4,), NULL))
    theirs = ClassifierFreeGuidance(
        guidance_scale=weight, use_original_formulation=convention == "conditional_at_0"
    )
    ours = GuidedModel(Told(), LABELS, weight, convention=convention, null_label=NULL)
    expected = theirs.forward(cond, uncond).pred
    assert_close(ours(x_t, t), expected, rtol=1e-5, atol=2e-6)


def test_a_weight_of_the_paper_is_a_scale_less_one():
    assert [guidance_scale(w, "conditional_at_0") for w in (-1, 0, 0.5)] == [0, 1, 1.5]
    assert [guidance_scale(s) for s in (0, 1, 7.5)] == [0, 1, 7.5]


def test_one_call_asks_with_and_without_the_class(batch):
    network = Told()
    GuidedModel(network, LABELS, 2.0, null_label=NULL)(*batch)
    [(size, steps, labels, _)] = network.calls
    assert size == 8
    assert steps == [3, 500, 999, 0] * 2
    assert labels == [0, 2, 1, 1, NULL, NULL, NULL, NULL]


def test_without_guidance_the_network_is_asked_once_for_each_image(batch):
    x_t, t = batch
    for labels, weight, told in ((LABELS, 1.0, LABELS.tolist()), (None, 4.0, [NULL] * 4)):
        network = Told()
        out = GuidedModel(network, labels, weight, null_label=NULL)(x_t, t)
        assert [call[2] for call in network.calls] == [told]
        assert torch.equal(out, Told()(x_t, t, torch.tensor(told)))


def test_a_scale_of_0_is_the_network_without_a_class(batch):
    guided, bare = (GuidedModel(Told(), labels, 0.0, null_label=NULL) for labels in (LABELS, None))
    assert torch.equal(guided(*batch), bare(*batch))


def test_a_scale_in_an_interval_is_that_of_a_plain_loop():
    t = torch.tensor([0, 4, 5, 6, 9, 10, 999])
    expected = [2.5 if 5 <= step < 10 else 1.0 for step in t.tolist()]
    assert interval_scale(t, 2.5, 5, 10).tolist() == expected


def test_outside_of_its_interval_an_image_is_told_its_class_and_not_guided(batch):
    x_t, t = batch  # 3, 500, 999, 0
    everywhere, told = (GuidedModel(Told(), LABELS, s, null_label=NULL)(x_t, t) for s in (3.0, 1.0))
    part = GuidedModel(Told(), LABELS, 3.0, null_label=NULL, interval=(500, 999))(x_t, t)
    inside = torch.tensor([False, True, False, False])
    assert torch.equal(part[inside], everywhere[inside])
    assert_close(part[~inside], told[~inside], rtol=1e-5, atol=2e-6)


def test_a_step_outside_of_the_interval_costs_half_and_the_paper_has_its_weight_inside(batch):
    for t, sizes in ((499, [4]), (500, [8])):
        network = Told()
        GuidedModel(network, LABELS, 3.0, null_label=NULL, interval=(500, 999))(batch[0], t)
        assert [size for size, *_ in network.calls] == sizes
    options = {"null_label": NULL, "interval": (500, 999)}
    papers = GuidedModel(Told(), LABELS, 2.0, convention="conditional_at_0", **options)
    assert torch.equal(papers(*batch), GuidedModel(Told(), LABELS, 3.0, **options)(*batch))


@pytest.mark.parametrize("sample", [sample_ddpm, sample_ddim])
def test_both_samplers_take_it_and_put_the_mode_of_the_network_back(draw, sample):
    network, schedule = Told(), alphas_cumprod(linear_beta_schedule(6))
    options = {"num_steps": 6} if sample is sample_ddim else {}
    start, images = draw(4, 1, 4, 4), []
    for weight in (1.0, 3.0):
        generator = torch.Generator().manual_seed(2)
        model = GuidedModel(network, LABELS, weight, null_label=NULL)
        images.append(sample(model, start, schedule, generator=generator, **options))
    assert not torch.allclose(*images)
    assert {training for *_, training in network.calls} == {False}
    assert network.training


def test_the_network_of_the_lesson_says_its_null_label_itself(draw):
    network = UNetAdaGN(8, num_classes=10).eval()
    nn.init.normal_(network.class_embedding.weight)
    x_t, t = draw(2, 1, 8, 8), torch.tensor([5, 700])
    labels = torch.tensor([7, 0])
    with torch.no_grad():
        cond, uncond = network(x_t, t, labels), network(x_t, t)
        guided = GuidedModel(network, labels, 3.0)(x_t, t)
        assert_close(guided, uncond + 3 * (cond - uncond), rtol=1e-4, atol=1e-4)
        assert_close(GuidedModel(network, None)(x_t, 5), network(x_t, 5))


def test_labels_follow_the_model_and_are_no_part_of_what_is_saved():
    model = GuidedModel(Told(), LABELS, null_label=NULL)
    assert model.to("meta").labels.is_meta
    assert not model.state_dict()


WRONG = {
    "an unknown convention": ({"convention": "paper"}, ValueError, "conditional_at_1, conditional"),
    "a text": ({"weight": "7"}, TypeError, "weight must be a number, got '7'"),
    "true": ({"weight": True}, TypeError, "weight must be a number, got True"),
    "infinite": ({"weight": float("inf")}, ValueError, "weight must be finite, got inf"),
    "no null label": ({"null_label": None}, ValueError, "Told has no class_embedding"),
}


@pytest.mark.parametrize(("options", "error", "match"), WRONG.values(), ids=WRONG)
def test_a_wrong_option_is_refused(options, error, match):
    with pytest.raises(error, match=match):
        GuidedModel(Told(), LABELS, **{"null_label": NULL, **options})


@pytest.mark.parametrize("labels", [LABELS[:2], LABELS[:1], LABELS[:, None]])
def test_labels_that_are_not_one_for_each_image_are_refused(batch, labels):
    for weight in (1.0, 2.0):
        with pytest.raises(ValueError, match=r"labels must have the shape \(4,\), .* torch.full"):
            GuidedModel(Told(), labels, weight, null_label=NULL)(*batch)


GUIDED = {  # an argument, and what is told of it
    "t": (torch.zeros(3).long(), ValueError, r"t must have the shape \(4,\), one timestep for"),
    "x_t": ([1.0], TypeError, "x_t must be a tensor, got list"),
    "labels": ([1, 2], TypeError, "labels must be a tensor, got list"),
    "null_label": (1.0, TypeError, "null_label must be an integer, got 1.0"),
    "scale": (torch.ones(4), ValueError, r"shape \(4, 1, 1, 1\), .* scale.reshape\(4, 1, 1, 1\)"),
}


@pytest.mark.parametrize(("name", "given"), GUIDED.items(), ids=GUIDED)
def test_what_is_not_one_for_each_image_is_refused(batch, name, given):
    value, error, match = given
    x_t, t = batch
    right = {"x_t": x_t, "t": t, "labels": LABELS, "null_label": NULL, "scale": 2.0}
    with pytest.raises(error, match=match):
        guided_prediction(Told(), **{**right, name: value})
    with pytest.raises(ValueError, match="scale must be finite, got nan"):
        guided_prediction(Told(), **{**right, "scale": float("nan")})


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((5, 2.0, 0, 9), TypeError, "t must be a tensor, got int"),
        ((LABELS, float("inf"), 0, 9), ValueError, "scale must be finite, got inf"),
        ((LABELS, 2.0, 0.5, 9), TypeError, "low must be an integer, got 0.5"),
        ((LABELS, 2.0, 0, "9"), TypeError, "high must be an integer, got '9'"),
    ],
)
def test_an_interval_of_what_is_none_is_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        interval_scale(*arguments)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8])
def test_an_interval_beyond_a_small_integer_does_not_wrap(batch, dtype):
    t = torch.tensor([1, 100], dtype=dtype)
    assert interval_scale(t, 3.0, 0, 300).tolist() == [3, 3]
    assert interval_scale(t, 3.0, 300, 400).tolist() == [1, 1]


def test_labels_of_small_integers_leave_room_for_any_null_label(batch):
    network = Told()
    GuidedModel(network, LABELS.to(torch.uint8), 3.0, null_label=300)(*batch)
    assert network.calls[0][2] == [*LABELS.tolist(), *[300] * 4]


def test_an_empty_interval_guides_nowhere(batch):
    part = GuidedModel(Told(), LABELS, 3.0, null_label=NULL, interval=(500, 500))
    assert_close(part(*batch), GuidedModel(Told(), LABELS, 1.0, null_label=NULL)(*batch))
