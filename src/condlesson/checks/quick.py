"""Provisional checks: the answer can be called as the exercise says."""

import torch

from condlesson import conditioning, embeddings, tasks, unet
from condlesson.checks.calling import as_factory, as_function, build, call_on
from condlesson.checks.running import run_check

t = torch.arange(4)


def _fn(name, exercise, *args):
    def check(fn):
        def examine(fn):
            call_on(as_function(fn, "as the exercise says"), *args, what=name)
            return []

        return run_check(f"check_{name}", fn, examine, exercise=exercise, praise="Well done.")

    check.__name__ = f"check_{name}"
    return check


def _cls(name, exercise, args, call):
    def check(cls):
        def examine(cls):
            made = build(as_factory(cls, "as the exercise says"), *args, text=name)
            call_on(made, *call, what=name)
            return []

        return run_check(f"check_{name}", cls, examine, exercise=exercise, praise="Well done.")

    check.__name__ = f"check_{name}"
    return check


h, e = torch.randn(2, 8, 4, 4), torch.randn(2, 16)
check_sinusoidal_embedding = _fn("sinusoidal_embedding", embeddings.sinusoidal_embedding, t, 64)
check_interleaved_embedding = _fn("interleaved_embedding", tasks.interleaved_embedding, t, 64)
check_similarity_at = _fn("similarity_at", tasks.similarity_at, t, 64)
check_random_fourier_features = _cls(
    "random_fourier_features", embeddings.RandomFourierFeatures, (64,), (t,)
)
check_timestep_embedding = _cls("timestep_embedding", embeddings.TimestepEmbedding, (64, 32), (t,))
check_timestep_mlp = _cls("timestep_mlp", tasks.TimestepMLP, (64, 32), (t,))
check_similarity_matrix = _fn("similarity_matrix", tasks.similarity_matrix, e)
check_adagn = _cls("adagn", conditioning.AdaGN, (8, 16, 4), (h, e))
check_zero_init_adagn = _cls("zero_init_adagn", tasks.ZeroInitAdaGN, (8, 16, 4), (h, e))
check_additive_gn = _cls("additive_gn", conditioning.AdditiveGN, (8, 16, 4), (h, e))
check_additive_block = _cls("additive_block", tasks.AdditiveBlock, (8, 8, 16, 4), (h, e))
check_unet_sinusoidal = _cls(
    "unet_sinusoidal", unet.UNetSinusoidal, (), (torch.randn(4, 1, 8, 8), t)
)


def check_draw_timesteps(fn):
    def examine(fn):
        fn(4, 10)
        return []

    return run_check("check_draw_timesteps", fn, examine, exercise=tasks.draw_timesteps, praise="")


check_ddim_update = _fn(
    "ddim_update", tasks.ddim_update, h, h, torch.tensor(0.5), torch.tensor(0.7)
)
__all__ = [name for name in dir() if name.startswith("check_")]
