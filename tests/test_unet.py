"""The U-Nets against the same networks written out by hand; their sizes; that they train."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from condlesson import (
    VARIANTS,
    AdaGN,
    ConditionedBlock,
    ConvBlock,
    TimestepEmbedding,
    UNet,
    UNetAdaGN,
    UNetSimple,
    UNetSinusoidal,
    count_parameters,
    sinusoidal_embedding,
)
from condlesson.conditioning import AdditiveGN
from condlesson.training import initialise
from condlesson.unet import UNET_GROUPS, UNetFourier, UNetMatched

pytestmark = pytest.mark.usefixtures("one_thread")

MATCHED = ("simple_matched", "sinusoidal_matched")
BLOCKS = ("enc_1", "enc_2", "enc_3", "bottleneck", "dec_2", "dec_1")
T = torch.tensor([3, 700])


def scrambled(model, seed=0):
    """The network with every parameter and statistic moved off its starting value, evaluating."""
    generator = torch.Generator().manual_seed(seed)
    initialise(model, seed)
    with torch.no_grad():
        for value in model.parameters():
            value += 0.03 * torch.randn(value.shape, generator=generator)
        for name, value in model.named_buffers():
            if name.endswith("running_mean"):
                value += 0.1 * torch.randn(value.shape, generator=generator)
            if name.endswith("running_var"):  # small, or the signal would fade from block to block
                value.copy_(0.05 + 0.1 * torch.rand(value.shape, generator=generator))
    return model.eval()


class ByHand:
    """The spatial path in plain functions, on the weights of a network."""

    def __init__(self, model, groups=None):
        self.weights, self.groups = model.state_dict(), groups

    def get(self, name, *parts):
        return [self.weights[f"{name}.{part}"] for part in parts]

    def norm(self, name, h, modulation=None):
        if modulation is not None:
            weight, bias = self.get(name, "projection.weight", "projection.bias")
            gamma, beta = (modulation @ weight.T + bias).reshape(len(h), 2, -1).unbind(1)
            h = F.group_norm(h, self.groups)
            return h + gamma[..., None, None] * h + beta[..., None, None]
        weight, bias = self.get(name, "weight", "bias")
        if self.groups:
            return F.group_norm(h, self.groups, weight, bias)
        mean, variance = self.get(name, "running_mean", "running_var")
        return F.batch_norm(h, mean, variance, weight, bias)

    def conv(self, name, h, padding=1):
        return F.conv2d(h, *self.get(name, "weight", "bias"), padding=padding)

    def block(self, name, h, modulation=None):
        h = self.norm(f"{name}.norm_1", self.conv(f"{name}.conv_1", h), modulation).clamp(min=0)
        return self.norm(f"{name}.norm_2", self.conv(f"{name}.conv_2", h)).clamp(min=0)

    def up(self, name, h):
        return F.conv_transpose2d(h, *self.get(name, "weight", "bias"), stride=2)

    def linear(self, name, h):
        weight, bias = self.get(name, "weight", "bias")
        return h @ weight.T + bias

    def forward(self, x_t, shift=0.0, modulation=None):
        h_1 = self.block("enc_1", x_t, modulation)
        h_2 = self.block("enc_2", F.max_pool2d(h_1, 2), modulation)
        h_3 = self.block("enc_3", F.max_pool2d(h_2, 2), modulation)
        h = self.block("bottleneck", h_3, modulation) + shift
        h = self.block("dec_2", torch.cat([self.up("up_2", h), h_2], 1), modulation)
        h = self.block("dec_1", torch.cat([self.up("up_1", h), h_1], 1), modulation)
        h = self.norm("head.1", self.conv("head.0", h)).clamp(min=0)
        return self.conv("head.3", h, padding=0)

    def time_embedding(self, t):
        hidden = F.gelu(self.linear("time_embedding.linear_1", sinusoidal_embedding(t, 256)))
        return self.linear("time_embedding.linear_2", hidden)


@pytest.fixture
def x_t(draw):
    return draw(2, 1, 8, 4)


def assert_same(ours, by_hand):
    assert ours.std() > 0.01  # or there would be little to compare
    assert_close(ours, by_hand, rtol=1e-4, atol=1e-5)


def test_control_is_the_spatial_path(x_t):
    model = scrambled(UNet(8))
    assert_same(model(x_t, T), ByHand(model).forward(x_t))


def test_simple_adds_its_mlp_to_half_of_the_bottleneck(x_t):
    model = scrambled(UNetSimple(8, num_timesteps=900))
    hand = ByHand(model)
    hidden = hand.linear("time_mlp.0", torch.tensor([[3 / 900], [700 / 900]])).clamp(min=0)
    shift = torch.zeros(2, 64, 1, 1)
    shift[:, :32, 0, 0] = hand.linear("time_mlp.2", hidden)
    assert_same(model(x_t, T), hand.forward(x_t, shift))


def test_simple_embeds_the_fraction_of_the_way():
    model = UNetSimple(8)
    assert_close(model.embed(T), model.time_mlp(torch.tensor([[0.003], [0.7]])))
    half = UNetSimple(8, num_timesteps=500)
    assert_close(half.embed(T), half.time_mlp(torch.tensor([[0.006], [1.4]])))


def test_sinusoidal_adds_its_projection_to_the_whole_bottleneck(x_t):
    model = scrambled(UNetSinusoidal(8))
    hand = ByHand(model)
    shift = hand.linear("time_projection", hand.time_embedding(T))[..., None, None]
    assert shift.shape == (2, 64, 1, 1)
    assert_same(model(x_t, T), hand.forward(x_t, shift))


@pytest.mark.parametrize("options", [{}, {"num_groups": 4}])
def test_adagn_modulates_the_first_norm_of_every_block(x_t, options):
    model = scrambled(UNetAdaGN(8, **options))
    hand = ByHand(model, groups=options.get("num_groups", 8))
    assert_same(model(x_t, T), hand.forward(x_t, modulation=hand.time_embedding(T)))


@pytest.mark.parametrize(
    ("network", "expected"), [(UNetSimple, 1_834_913), (UNetSinusoidal, 2_343_713)]
)
def test_parameter_counts_are_the_lessons(network, expected):
    assert count_parameters(network()) == expected


def test_the_other_counts_follow_from_the_layers():
    spatial = count_parameters(UNetSimple()) - (2 * 128 + 128 * 129)
    assert count_parameters(UNet()) == spatial
    assert count_parameters(UNetSinusoidal()) == spatial + 394_240 + 513 * 256
    # six blocks: 512 + 1 numbers for each gamma and beta, instead of the norm's own two
    conditioned = 32 + 64 + 128 + 256 + 128 + 64
    assert count_parameters(UNetAdaGN()) == spatial + 394_240 + 512 * 2 * conditioned


def test_count_leaves_out_what_is_frozen():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert count_parameters(model) == 6


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(28, 28), (4, 4), (8, 20)])
def test_output_has_the_shape_of_the_input(draw, variant, size):
    x_t = draw(2, 1, *size)
    assert VARIANTS[variant](8).eval()(x_t, T).shape == x_t.shape


@pytest.mark.parametrize(
    ("variant", "network", "norm", "parameters"),
    [
        ("none", UNet, nn.BatchNorm2d, 1_818_145),
        ("simple", UNetSimple, nn.BatchNorm2d, 1_834_913),
        ("sinusoidal", UNetSinusoidal, nn.BatchNorm2d, 2_343_713),
        ("adagn", UNetAdaGN, nn.GroupNorm, 2_900_513),
        ("simple_matched", UNetMatched, nn.BatchNorm2d, 1_867_553),
        ("sinusoidal_matched", UNetMatched, nn.BatchNorm2d, 1_867_553),
        ("fourier", UNetFourier, nn.BatchNorm2d, 2_343_713),
        ("gn_none", UNet, nn.GroupNorm, 1_818_145),
        ("gn_bottleneck", UNetSinusoidal, nn.GroupNorm, 2_343_713),
        ("gn_additive", UNetAdaGN, nn.GroupNorm, 2_557_121),
    ],
)
def test_variants_are_the_networks(variant, network, norm, parameters):
    model = VARIANTS[variant]()
    assert type(model) is network
    assert type(model.head[1]) is norm
    assert count_parameters(model) == parameters


def test_every_variant_is_tested():
    (mark,) = test_variants_are_the_networks.pytestmark
    assert {case[0] for case in mark.args[1]} == set(VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_default_width_is_thirty_two(variant):
    widths = [getattr(VARIANTS[variant](), name).conv_2.out_channels for name in BLOCKS]
    assert widths == [32, 64, 128, 256, 128, 64]


@pytest.mark.parametrize("variant", [name for name in VARIANTS if "none" not in name])
def test_a_variant_hears_the_timestep_and_the_control_does_not(x_t, variant):
    control = "gn_none" if isinstance(VARIANTS[variant](8).head[1], nn.GroupNorm) else "none"
    model, control = (scrambled(VARIANTS[name](8)) for name in (variant, control))
    assert not torch.allclose(model(x_t, T), model(x_t, T + 200))
    assert torch.equal(control(x_t, T), control(x_t, T + 200))


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_image_has_its_own_timestep(x_t, variant):
    model = scrambled(VARIANTS[variant](8))
    whole = model(x_t, T)
    for b in range(2):
        assert_same(model(x_t[b : b + 1], T[b : b + 1]), whole[b : b + 1])


@pytest.mark.parametrize("heard", BLOCKS)
def test_every_block_of_adagn_hears_the_timestep(x_t, heard):
    model = scrambled(UNetAdaGN(8))
    with torch.no_grad():
        for name in BLOCKS:
            if name != heard:
                getattr(model, name).norm_1.projection.weight.zero_()
    assert not torch.allclose(model(x_t, T), model(x_t, T + 200))
    with torch.no_grad():
        getattr(model, heard).norm_1.projection.weight.zero_()
    assert torch.equal(model(x_t, T), model(x_t, T + 200))


def test_adagn_takes_a_layer_of_the_readers(x_t):
    made = []

    def adagn(*arguments):
        made.append(arguments)
        return AdaGN(*arguments, zero_init=True)

    model = UNetAdaGN(8, adagn=adagn, num_groups=4)
    assert made == [(c, 512, 4) for c in (8, 16, 32, 64, 32, 16)]
    plain = UNet(8, norm=lambda c: nn.GroupNorm(4, c))
    initialise(plain, 0)
    model.load_state_dict(plain.state_dict(), strict=False)
    # modulation is 0 at first, so what is left is the control with group norm
    assert_close(model(x_t, T), plain(x_t, T), rtol=1e-4, atol=1e-5)


def test_adagn_has_groups_of_several_channels():
    model = UNetAdaGN()
    norms = [m for m in model.modules() if isinstance(m, nn.GroupNorm)]
    assert {m.num_groups for m in norms} == {8}
    assert len(norms) == 13
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


def test_blocks_normalise_as_they_are_told():
    block = ConvBlock(3, 4, norm=lambda c: nn.GroupNorm(2, c))
    assert isinstance(block.norm_1, nn.GroupNorm)
    assert isinstance(ConvBlock(3, 4).norm_2, nn.BatchNorm2d)
    block = ConditionedBlock(3, 4, nn.BatchNorm2d, lambda c: AdaGN(c, 5, 2))
    assert isinstance(block.norm_1, AdaGN)
    assert isinstance(block.norm_2, nn.BatchNorm2d)
    assert isinstance(UNetSinusoidal(8).time_embedding, TimestepEmbedding)


@pytest.mark.parametrize(
    ("variant", "control"),
    [
        ("simple", "none"),
        ("sinusoidal", "none"),
        ("simple_matched", "none"),
        ("fourier", "sinusoidal"),
        ("gn_bottleneck", "gn_none"),
    ],
)
def test_layers_shared_with_the_control_start_equal(variant, control):
    control, model = VARIANTS[control](8), VARIANTS[variant](8)
    initialise(control, 7)
    initialise(model, 7)
    weights = model.state_dict()
    for name, value in control.state_dict().items():
        assert torch.equal(weights[name], value), name


def test_convolutions_of_adagn_start_like_those_of_the_control():
    control, model = UNet(8), UNetAdaGN(8)
    initialise(control, 7)
    initialise(model, 7)
    weights = model.state_dict()
    names = [name for name in control.state_dict() if "conv" in name or "up_" in name]
    assert len(names) == 2 * 12 + 2 * 2
    for name in names:
        assert torch.equal(weights[name], control.state_dict()[name]), name


def test_the_matched_pair_differs_in_the_encoding_alone(x_t):
    scalar, sinusoid = (VARIANTS[name](8).eval() for name in MATCHED)
    for model in (scalar, sinusoid):
        initialise(model, 7)
    assert count_parameters(scalar) == count_parameters(sinusoid)
    assert_same_weights(scalar, sinusoid)
    encoded = (T[:, None] / 1000).repeat(1, 256)
    torch.testing.assert_close(scalar.embed(T), scalar.time_mlp(encoded))
    torch.testing.assert_close(sinusoid.embed(T), scalar.time_mlp(sinusoidal_embedding(T, 256)))
    assert not torch.allclose(scalar(x_t, T), sinusoid(x_t, T))


def assert_same_weights(one, other):
    for (name, value), (_, same) in zip(
        one.state_dict().items(), other.state_dict().items(), strict=True
    ):
        assert torch.equal(value, same), name


def test_an_unknown_encoding_is_refused():
    with pytest.raises(ValueError, match="encoding must be scalar or sinusoid, got 'learned'"):
        UNetMatched(8, encoding="learned")


def test_additive_and_adaptive_networks_inject_in_the_same_places():
    additive, adaptive = (VARIANTS[name](8) for name in ("gn_additive", "adagn"))
    for name in BLOCKS:
        assert isinstance(getattr(additive, name).norm_1, AdditiveGN)
        assert isinstance(getattr(adaptive, name).norm_1, AdaGN)
        assert getattr(additive, name).norm_1.norm.num_groups == UNET_GROUPS
        assert getattr(adaptive, name).norm_1.norm.num_groups == UNET_GROUPS


@pytest.mark.parametrize("variant", ["simple", "sinusoidal"])
def test_a_silenced_time_path_leaves_the_control(x_t, variant):
    model = scrambled(VARIANTS[variant](8))
    control = UNet(8).eval()
    control.load_state_dict(model.state_dict(), strict=False)
    last = model.time_mlp[2] if variant == "simple" else model.time_projection
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    assert torch.equal(model(x_t, T), control(x_t, T))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains(draw, variant):
    model = VARIANTS[variant](8)
    initialise(model, 0)
    noise, t = draw(8, 1, 8, 8), torch.arange(0, 1000, 125)
    x_t = 0.5 * noise + 0.5
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for step in range(12):
        loss = F.mse_loss(model(x_t, t), noise)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            gradients = {name: p.grad.abs().max().item() for name, p in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    # a norm cancels the bias of the convolution before it
    cancelled = ("conv_1.bias", "conv_2.bias", "head.0.bias")
    assert not [n for n, g in gradients.items() if not g > 0 and not n.endswith(cancelled)]
    assert losses[-1] < 0.8 * losses[0]
