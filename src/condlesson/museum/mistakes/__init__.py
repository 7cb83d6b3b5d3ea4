"""The catalogue of silent bugs: what each is, its source, what tells, and what to predict.

The broken code itself is in `broken`, and what it shows in `symptoms`. The page
"The museum of silent bugs" shows them, and their tests run every one through its check.

    MISTAKES["missing_one"].reveal()  # numbers, of the broken version and of the cured one
"""

from condlesson.museum.exhibits import Mistake
from condlesson.museum.mistakes import block, diffusion, guidance, mlp, sinusoid

__all__ = ["MISTAKES"]

MISTAKES: dict[str, Mistake] = {
    mistake.name: mistake
    for module in (sinusoid, mlp, block, diffusion, guidance)
    for mistake in module.MISTAKES
}
