"""What broken code shows when one measures it, since it raises nothing.

Each symptom takes a version of an exhibit of `broken`, broken or cured, and returns
what it measured by what that is. Random draws are seeded, and the session's are left alone. Where
no check of an exercise can tell the two apart, a test of ours does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.data import load_subset
from condlesson.diffusion import NUM_TIMESTEPS, alphas_cumprod, linear_beta_schedule
from condlesson.embeddings import TimestepEmbedding, sinusoidal_embedding
from condlesson.experiment import plan
from condlesson.experiment.runs import Run, load_model, load_run, read_expected
from condlesson.sampling import timestep_sequence
from condlesson.training import Batch, TrainConfig, evaluate, validation_batches

__all__ = [
    "Embed",
    "Measured",
    "batch_dependence",
    "ddim_digits",
    "ddim_noise",
    "draw_counts",
    "ends_in_noise",
    "fits_checkpoint",
    "frozen_hands",
    "in_place",
    "kept_by_weights",
    "known_embedding_losses",
    "merged_timesteps",
    "mismatch",
    "modulated_size",
    "moved",
    "narrow_range",
    "nonlinearity",
    "registered",
    "remaining_image",
    "seeded",
    "spoken_timesteps",
    "tells_timesteps",
    "told_block",
    "told_network",
]

Embed = Callable[[Tensor, int], Tensor]  # (t, d_emb) -> (B, d_emb)
Update = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Measured = dict[str, float]

D_EMB = 256
PAIR = torch.tensor([50, 950])


@contextmanager
def seeded() -> Iterator[None]:
    """Random draws of their own, the same each time, and no gradients."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(42)
        yield


def _similarity(a: Tensor, b: Tensor) -> float:
    return F.cosine_similarity(a, b, dim=-1).item()


def moved(one: Tensor, other: Tensor) -> float:
    """Size of a difference, as a share of the size of the first."""
    return ((other - one).norm() / one.norm()).item()


# --- the sinusoid -----------------------------------------------------------------------------


def batch_dependence(embed: Embed) -> Measured:
    """Whether a timestep's embedding depends on the other timesteps of its batch."""
    first, second = embed(torch.tensor([500, 20]), D_EMB), embed(torch.tensor([20, 500]), D_EMB)
    t = torch.arange(0, NUM_TIMESTEPS, 10)
    turned = embed(t.flip(0), D_EMB).flip(0)
    changed = (turned - embed(t, D_EMB)).abs().amax(dim=1) > 1e-4
    return {
        "similarity of t = 500 in first and in second place": _similarity(first[0], second[1]),
        "of 100 timesteps, other embeddings in reverse order": changed.sum().item(),
    }


def narrow_range(embed: Embed) -> Measured:
    """How far apart the embeddings of timesteps are."""
    emb = embed(torch.tensor([0, 999, 500, 501]), D_EMB)
    return {
        "similarity of t = 0 and t = 999": _similarity(emb[0], emb[1]),
        "distance of t = 500 and t = 501": (emb[2] - emb[3]).norm().item(),
    }


def frozen_hands(embed: Embed) -> Measured:
    """How many dimensions hardly move from the first to the last timestep."""
    table = embed(torch.arange(NUM_TIMESTEPS), D_EMB)
    moved = table.amax(dim=0) - table.amin(dim=0)
    return {
        "of 256 dimensions, those that move by less than 0.1": (moved < 0.1).sum().item(),
        "similarity of t = 500 and t = 999": _similarity(table[500], table[999]),
    }


def merged_timesteps(embed: Embed) -> Measured:
    """How many embeddings a thousand timesteps have."""
    table = embed(torch.arange(NUM_TIMESTEPS), D_EMB)
    return {
        "different embeddings of 1000 timesteps": len(table.unique(dim=0)),
        "distance of t = 800 and t = 801": (table[800] - table[801]).norm().item(),
    }


def known_embedding_losses(embed: Embed) -> tuple[Tensor, Tensor]:
    """Loss of a trained network on each of 256 images, with another sinusoid in front.

    Args:
        embed: Takes the place of the sinusoid that the network was trained with.

    Returns:
        The timesteps and the losses, each of shape (256,).
    """
    model = load_model(load_run("sinusoidal"))
    mlp = model.time_embedding
    model.embed = lambda t: mlp.linear_2(F.gelu(mlp.linear_1(embed(t, D_EMB))))
    batches = _validation(256)
    return torch.cat([b.t for b in batches]), evaluate(model, batches)


def mismatch(embed: Embed) -> Measured:
    """What a trained network makes of an embedding."""
    t = torch.tensor([10, 999])
    near, far = F.cosine_similarity(embed(t, D_EMB), sinusoidal_embedding(t, D_EMB)).tolist()
    _, losses = known_embedding_losses(embed)
    return {
        "similarity to what the network knows, t = 10": near,
        "similarity to what the network knows, t = 999": far,
        "loss of the trained network": losses.mean().item(),
    }


def fits_checkpoint(embed: Embed) -> str:
    """Test that an embedding is the one that a checkpoint was trained with.

    No check of an exercise does: each convention is right by itself.

    Args:
        embed: To be compared with the lesson's own, ``sin_cos`` and ``half``.

    Returns:
        What does not fit; empty if all does.
    """
    t = torch.arange(NUM_TIMESTEPS)
    known, got = sinusoidal_embedding(t, D_EMB), embed(t, D_EMB)
    off = (known - got).abs().amax(dim=1)
    if off.max() < 1e-3:
        return ""
    if torch.allclose(got.roll(D_EMB // 2, dims=1), known, atol=1e-3):
        return (
            "The halves are swapped: your sines stand where the checkpoint has cosines. All "
            "numbers are there, in another order."
        )
    worst = int(off.argmax())
    return (
        f"It is another clock than the checkpoint's: off by {off[1]:.2g} at t = 1 and by "
        f"{off[worst]:.2g} at t = {worst}. Compare the exponents."
    )


# --- networks behind it -----------------------------------------------------------------------


def nonlinearity(cls: Callable[[int, int], nn.Module]) -> Measured:
    """Whether one linear layer could stand in the place of the timestep MLP."""
    with seeded():
        emb = cls(D_EMB, 512)(torch.arange(NUM_TIMESTEPS)).double()
    sinusoid = sinusoidal_embedding(torch.arange(NUM_TIMESTEPS).double(), D_EMB)
    inputs = torch.cat([sinusoid, torch.ones(NUM_TIMESTEPS, 1, dtype=torch.float64)], dim=1)
    one_layer = inputs @ torch.linalg.lstsq(inputs, emb, driver="gelsd").solution
    return {"error of a single linear layer in its place": moved(emb, one_layer)}


def registered(cls: Callable[[int, int], nn.Module]) -> Measured:
    """What an optimiser finds, and what it moves in ten steps."""
    t = torch.arange(0, NUM_TIMESTEPS, 10)
    with seeded(), torch.enable_grad():
        network = nn.Sequential(cls(D_EMB, 512), nn.Linear(512, 1))
        before = network[0](t).detach()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        for _ in range(10):
            loss = (network(t)[:, 0] - torch.cos(t / 300)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        after = network[0](t).detach()
    found = sum(p.numel() for p in network.parameters()) - 513  # without the last layer's
    return {
        "parameters that an optimiser finds": found,
        "movement of the embedding in ten steps": moved(before, after),
        "loss after ten steps": loss.item(),
    }


def kept_by_weights(cls: Callable[[int], nn.Module]) -> Measured:
    """Whether features are the same after their weights were saved and loaded."""
    t = torch.tensor([500])
    with seeded():
        saved, loaded = cls(D_EMB), cls(D_EMB)
        loaded.load_state_dict(saved.state_dict())
        return {"similarity of t = 500, saved and loaded": _similarity(saved(t), loaded(t))}


# --- the way into a block ---------------------------------------------------------------------


def modulated_size(cls: Callable[[int, int, int], nn.Module]) -> Measured:
    """How much of a normalised feature map an untrained layer lets through."""
    with seeded():
        layer, t_emb = cls(64, 512, 32), TimestepEmbedding()(torch.tensor([500]))
        out = layer(torch.randn(1, 64, 16, 16), t_emb)
    image = out.var(dim=(2, 3)).mean()
    return {
        "size of the features, 1 before": image.sqrt().item(),
        "share of the image in what leaves the layer": (image / out.square().mean()).item(),
    }


def told_block(cls: Callable[[int, int, int, int], nn.Module]) -> Measured:
    """How much the result of a block depends on the timestep."""
    with seeded():
        block, (one, other) = cls(16, 64, 512, 8), TimestepEmbedding()(PAIR)[:, None]
        h = torch.randn(4, 16, 16, 16)
        change = moved(block(h, one), block(h, other))
    return {"change of the output from t = 50 to t = 950": change}


def in_place(cls: Callable[[], nn.Module]) -> Measured:
    """Whether a network can predict, and whether it can learn."""
    with seeded(), torch.enable_grad():
        model = cls()
        loss = model(torch.randn(2, 1, 28, 28), PAIR).square().mean()
        with suppress(RuntimeError):
            loss.backward()
    reached = [p.grad is not None for p in model.parameters()]
    return {
        "size of the prediction": loss.sqrt().item(),
        "share of the parameters with a gradient": sum(reached) / len(reached),
    }


def told_network(cls: Callable[[], nn.Module]) -> Measured:
    """How much the prediction of a network depends on the timestep."""
    with seeded():
        model, x = cls().eval(), torch.randn(1, 1, 28, 28)
        one, other = model(x.expand(2, -1, -1, -1), PAIR)
    return {"change of the prediction from t = 50 to t = 950": moved(one, other)}


# --- training and sampling --------------------------------------------------------------------


def draw_counts(draw: Callable[[int, int], Tensor]) -> Measured:
    """How often the first and the last timestep are drawn."""
    with seeded():
        t = draw(100_000, NUM_TIMESTEPS)
    return {f"draws of t = {k}, of 100,000": (t == k).sum().item() for k in (0, 998, 999)}


def remaining_image(schedule: Callable[[int], Tensor]) -> Measured:
    """How much of an image is left where a sampler starts from pure noise."""
    return {
        f"factor of the image at the last of {steps} steps": _left(schedule, steps)
        for steps in (50, 100, 1000)
    }


def _left(schedule: Callable[[int], Tensor], num_timesteps: int) -> float:
    return alphas_cumprod(schedule(num_timesteps))[-1].sqrt().item()


def ends_in_noise(schedule: Callable[[int], Tensor]) -> str:
    """Test that a noise schedule of few steps leaves as little of an image as one of many.

    Args:
        schedule: Called as schedule(num_timesteps); returns the betas.

    Returns:
        What is wrong; empty if nothing is.
    """
    left = {steps: _left(schedule, steps) for steps in (100, 1000)}
    if left[100] < 0.05:
        return ""
    return (
        f"With 100 steps, {left[100]:.0%} of the image's size is left at the last one, and with "
        f"1000 steps {left[1000]:.1%}. A sampler starts from pure noise, which this network has "
        "never seen. Scale the betas by 1000 / num_timesteps."
    )


def spoken_timesteps(told: Callable[[int, int], Tensor]) -> Measured:
    """What a trained network hears in a sampler of fifty steps, and how well it does."""
    true, said = timestep_sequence(NUM_TIMESTEPS, 50), told(50, NUM_TIMESTEPS).tolist()
    model = load_model(load_run("adagn"))
    by_step = [_at(t) for t in true[::5]]
    losses = [
        evaluate(model, [b], told_t=t).mean() for b, t in zip(by_step, said[::5], strict=True)
    ]
    return {
        "first timestep told, in truth 980": said[0],
        "loss of the trained network": torch.stack(losses).mean().item(),
    }


def tells_timesteps(told: Callable[[int, int], Tensor]) -> str:
    """Test that a sampler tells the network timesteps.

    Args:
        told: Called as told(num_steps, num_timesteps); returns what is told, most noise first.

    Returns:
        What is wrong; empty if nothing is.
    """
    for num_steps in (10, 50):
        said, true = told(num_steps, NUM_TIMESTEPS).tolist(), timestep_sequence(1000, num_steps)
        if said != true:
            return (
                f"In {num_steps} steps the network is told {said[0]}, {said[1]}, ..., {said[-1]}, "
                f"and the images have the noise of {true[0]}, {true[1]}, ..., {true[-1]}. Tell it "
                "the timestep, not the number of the step."
            )
    return ""


def ddim_digits(
    update: Update, n: int = 10, start: int = 400, *, run: Run | None = None
) -> tuple[Tensor, Tensor]:
    """Digits that a trained network restores in 25 steps, from deep in the noise.

    Args:
        update: One step, called as update(x_t, noise_pred, alpha_bar_t, alpha_bar_prev).
        n: How many digits.
        start: The timestep whose noise they have at first.
        run: That of the network; by default `adagn` at the full size.

    Returns:
        The clean digits and the restored ones, each of shape (n, 1, 28, 28).
    """
    model = load_model(run or read_expected(plan.FULL[0], plan.MATRIX_DIR))
    schedule = alphas_cumprod(linear_beta_schedule())
    visited = list(range(start, 0, -start // 25))
    levels = [*schedule[visited], torch.tensor(1.0)]
    noised = _at(start, n)
    x = noised.x_t
    with torch.no_grad():
        for t, now, before in zip(visited, levels, levels[1:], strict=False):
            x = update(x, model(x, torch.full((n,), t)), now, before)
    return noised.x_0, x


def ddim_noise(update: Update) -> Measured:
    """How much noise a step leaves, and how much contrast a restored digit has."""
    now, before, noise = torch.tensor(0.8), torch.tensor(0.9), torch.ones(1)
    left = update((1 - now).sqrt() * noise, noise, now, before) / (1 - before).sqrt()
    clean, restored = ddim_digits(update)
    return {
        "noise left at alpha_bar = 0.9, 1 is right": left.item(),
        "contrast of restored digits, 1 is that of clean ones": (
            restored.std() / clean.std()
        ).item(),
    }


def _validation(images: int) -> list[Batch]:
    return validation_batches(TrainConfig(val_images=images), load_subset())


def _at(t: int, images: int = 16) -> Batch:
    """Images with the noise of one timestep."""
    [b] = _validation(images)
    schedule = alphas_cumprod(linear_beta_schedule())[t]
    x_t = schedule.sqrt() * b.x_0 + (1 - schedule).sqrt() * b.noise
    return Batch(b.x_0, torch.full_like(b.t, t), b.noise, x_t)
