"""The check of drawn timesteps: right draws, and mistakes."""

import pytest

from condlesson import exercises
from condlesson.checks import check_draw_timesteps
from tests.answers import blank
from tests.checks.variants import assert_passed, assert_wrong, cell

pytestmark = pytest.mark.usefixtures("one_thread")


def drawing(body):
    return cell(f"import numpy as np\ndef draw(B, T):\n    {body}")


DRAWS = {
    "randint": "return torch.randint(0, T, (B,))",
    "randint without a lower end": "return torch.randint(T, (B,), dtype=torch.int32)",
    "cut": "return (torch.rand(B) * T).long()",
    "floor": "return torch.rand(B).mul(T).floor().int()",
    "multinomial": "return torch.multinomial(torch.ones(T), B, replacement=True)",
    "NumPy": "return torch.from_numpy(np.random.randint(0, T, B))",
    "a choice": "return torch.arange(T)[torch.randint(len(torch.arange(T)), size=(B,))]",
    "random_": "return torch.empty(B, dtype=torch.long).random_(0, T)",
    "a list of Python's": "import random; return torch.tensor(random.choices(range(T), k=B))",
    "permutations": "return torch.cat([torch.randperm(T) for _ in range(B // T + 1)])[:B]",
    "NumPy's choice": "return torch.tensor(np.random.choice(T, B))",
    "antithetic": "t = torch.randint(0, T, (B - B // 2,)); return torch.cat([t, T - 1 - t])[:B]",
    "diffusers": 'return torch.randint(0, T, (B,), device="cpu", dtype=torch.int64)',
    "guided-diffusion": "return torch.from_numpy(np.random.choice(T, (B,), p=np.ones(T) / T))",
    "one uniform number for all, in strata": (
        "u = (torch.rand(1) + torch.arange(B) / B) % 1; return (u * T).long()"
    ),
    "strata, shuffled": (
        "u = (torch.rand(B) + torch.arange(B)) / B; return (u * T).long().clamp(max=T - 1)"
        "[torch.randperm(B)]"
    ),
    "uniform_": "return torch.empty(B).uniform_(0, T).to(torch.int64)",
    "a distribution": "return torch.distributions.Categorical(torch.ones(T)).sample((B,))",
    "unsigned": "return torch.randint(0, T, (B,)).to(torch.uint16)",
    "randint_like": "return torch.randint_like(torch.zeros(B, dtype=torch.long), T)",
    "NumPy's generator": "return torch.as_tensor(np.random.default_rng().integers(0, T, size=B))",
    "1 to T, less 1": "return torch.randint(1, T + 1, (B,)) - 1",
    "one after another": "return torch.stack([torch.randint(T, ()) for _ in range(B)])",
}
WRONG_DRAWS = {
    "the last is missing": (
        "return torch.randint(0, T - 1, (B,))",
        "so the upper end must be num_timesteps",
    ),
    "one image squeezed": (
        "return torch.randint(0, T, (B, 1)).squeeze()",
        "one timestep for each image, shape (1,), got ()",
    ),
    "antithetic, and the end is off by one": (
        "t = torch.randint(0, T - 1, (B - B // 2,)); return torch.cat([t, T - 1 - t])[:B]",
        "numbers are rounded, or the upper end is off by one",
    ),
    "the first is missing": ("return torch.randint(1, T, (B,))", "t = 0 never came"),
    "1 to T": (
        "return torch.randint(1, T + 1, (B,))",
        "drew t = 10, and timesteps run from 0 to 9",
    ),
    "one too many": ("return torch.randint(0, T + 1, (B,))", "drew t = 10"),
    "negative": ("return torch.randint(-1, T, (B,))", "drew t = -1"),
    "half of them": ("return torch.randint(0, T // 2, (B,))", "t = 5, 6, 7, 8, 9 never came"),
    "one for the batch": ("return torch.randint(0, T, (1,)).expand(B)", "a timestep of its own"),
    "one number": ("return torch.randint(0, T, (1,))", "one timestep for each image, shape (5,)"),
    "a column": ("return torch.randint(0, T, (B, 1))", "shape (5,), got (5, 1)"),
    "the index in the batch": ("return torch.arange(B) % T", "nothing is drawn"),
    "seeded": (
        "torch.manual_seed(0); return torch.randint(0, T, (B,))",
        "a seed is set in the function",
    ),
    "rounded": ("return (torch.rand(B) * (T - 1)).round().long()", ": numbers are rounded"),
    "squared": ("return (torch.rand(B).square() * T).long()", "Timesteps are not equally likely"),
    "sorted": ("return torch.randint(0, T, (B,)).sort()[0]", "Do not sort what was drawn"),
    "half a batch, twice": (
        "t = torch.randint(0, T, (B // 2 + 1,)); return torch.cat([t, t])[:B]",
        "share 33 timesteps",
    ),
    "more of the last": (
        "return torch.multinomial(torch.linspace(0.87, 1.13, T), B, replacement=True)",
        "Timesteps are not equally likely",
    ),
    "the last in each batch": (
        "t = torch.randint(0, T, (B,)); t[torch.randint(B, ())] = T - 1; return t",
        "though in large batches",
    ),
    "drawn again without the last": (
        "t = torch.randint(0, T, (B,))\n    while not (t == T - 1).any():\n"
        "        t = torch.randint(0, T, (B,))\n    return t",
        "though in large batches",
    ),
    "1000 written down, and a modulo": (
        "return torch.randint(0, 1000, (B,)) % T",
        "with T = 700 timesteps are not equally likely",
    ),
    "uint8": (
        "return torch.randint(0, T, (B,)).to(torch.uint8)",
        "torch.uint8, which holds numbers up to 255",
    ),
    "drawn in uint8": (
        "return torch.randint(0, T, (B,), dtype=torch.uint8)",
        "That dtype is too small",
    ),
    "cut before the product": ("return torch.rand(B).long() * T", "multiply first, in brackets"),
    "normal": ("return (torch.randn(B) * T).long()", "torch.randn draws negative"),
    "Python's randint": (
        "import random; return torch.tensor([random.randint(0, T) for _ in range(B)])",
        "Python's random.randint does not",
    ),
    "a counter": (
        "draw.k = getattr(draw, 'k', 0) + B; return (torch.arange(B) + draw.k) % T",
        "follow one another",
    ),
    "an array": ("return np.random.randint(0, T, B)", "Convert it with torch.from_numpy"),
    "always 0": ("return torch.zeros(B).long()", "images get t = 0"),
    "in [0, 1)": ("return torch.rand(B)", "must return integers"),
    "mask": ("return torch.rand(B) > 0.5", "must return integers"),
    "a list": ("return torch.randint(0, T, (B,)).tolist()", "must return a torch.Tensor, got list"),
    "every second one of many": (
        "t = torch.randint(0, T, (B,)); return t if T < 100 else t // 2 * 2 + (t == T - 1)",
        "timesteps never came in 20,000 draws",
    ),
    "drawn in float16": (
        "return (torch.rand(B, dtype=torch.float16) * T).long()",
        "times. Are the numbers that are drawn too coarse? In float16 torch.rand has 2048",
    ),
    "some of many more often": (
        "return torch.multinomial(1 + 0.5 * (T > 100) * (torch.arange(T) % 7 == 0), B, True)",
        "With T = 1000 some timesteps are more likely than others",
    ),
    "in half precision": (
        "return (torch.rand(B) * T).bfloat16().long().clamp(max=T - 1)",
        "timesteps never came in 20,000 draws",
    ),
    "T = 1000 written down": ("return torch.randint(0, 1000, (B,))", "timesteps run from 0 to 9"),
    "T = 10 written down": (
        "return torch.randint(0, 10, (B,))",
        "with T = 700 the draws run from",
    ),
    "raises": ("return torch.randint(T)", "raised TypeError"),
}


@pytest.mark.parametrize("body", DRAWS.values(), ids=DRAWS)
def test_right_draws_pass(body):
    assert_passed(check_draw_timesteps(drawing(body)))


def test_only_draws_in_float16_are_said_to_be_coarse():
    result = check_draw_timesteps(drawing(WRONG_DRAWS["some of many more often"][0]))
    assert "coarse" not in result.messages[0]


@pytest.mark.parametrize(("body", "fragment"), WRONG_DRAWS.values(), ids=WRONG_DRAWS)
def test_mistake_in_draws_is_named(body, fragment):
    assert_wrong(check_draw_timesteps(drawing(body)), fragment)


def test_nothing_drawn_is_not_done():
    assert check_draw_timesteps(drawing("torch.randint(0, T, (B,))")).status == "not done"
    assert check_draw_timesteps(None).status == "not done"


def test_the_packages_own_draws_pass_and_those_handed_out_have_the_bug():
    assert_passed(check_draw_timesteps(exercises.draw_timesteps))
    handed_out = check_draw_timesteps(blank(exercises.draw_timesteps))
    assert_wrong(handed_out, "t = 9 never came. It is the last timestep")
    mended = ("(0, num_timesteps - 1, ", "(0, num_timesteps, ")
    assert_passed(check_draw_timesteps(blank(exercises.draw_timesteps, mended)))
