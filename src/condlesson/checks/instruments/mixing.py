"""Whether the images of a batch influence one another in a network."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from condlesson.checks.harness.answer import call, tensor_from
from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.parameters import switch
from condlesson.checks.instruments.trace import named

__all__ = ["check_mixing"]


def check_mixing(model: nn.Module) -> None:
    """Refuse a network that gives an image another prediction in a batch of other images.

    First its batch norms take the statistics of that batch: by those that a network starts with,
    what its deep layers do hardly shows.

    Args:
        model: In evaluation mode, and left so, with the statistics that it had.
    """
    x = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(9))
    x, t = x * torch.tensor([1.0, 0.5, 2.0]).reshape(-1, 1, 1, 1), torch.tensor([300, 0, 999])
    what = named(x, t)

    def predict(rows: slice) -> torch.Tensor:
        return tensor_from(call(model, x[rows].clone(), t[rows], what=what), what).detach()

    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    kept = [(m.momentum, {name: b.clone() for name, b in m.named_buffers()}) for m in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # of one batch, its statistics themselves
        switch(model, "train")
        predict(slice(3))
        switch(model, "eval")
        together = predict(slice(3))
        alone = torch.cat([predict(slice(k, k + 1)) for k in range(3)])
    finally:
        switch(model, "eval")
        for norm, (momentum, buffers) in zip(norms, kept, strict=True):
            norm.momentum = momentum
            for name, buffer in norm.named_buffers():
                buffer.copy_(buffers[name])
    off = (together - alone).abs().amax(dim=(1, 2, 3))
    if off.max() > 1e-3 * alone.abs().max():
        raise Wrong(
            "In evaluation mode an image gets one prediction alone and another one in a batch of "
            f"other images: they differ by up to {off.max():.2g}. Nothing may mix along dimension "
            "0, the batch. Is there a mean or a standard deviation over it, an attention without "
            "batch_first=True, or h[:1]?"
        )
