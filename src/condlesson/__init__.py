"""How a diffusion U-Net is told the time: the code of the lesson.

Everything public can be imported from here. A module is loaded when something of it is first
used, so that a page depends on what it uses and not on everything.

The modules of this folder are the lesson: what a network is told, and how; `networks` lists those
that are trained. Around them lie the exercises and the checks of what a learner writes, the
experiment with its recorded runs, the museum of bugs, the figures, and what makes notebooks of the
pages.
"""

import sys
from importlib import import_module

from condlesson.moved import MOVED, MovedModules

__version__ = "0.1.0"

_PUBLIC = {
    "embeddings": (
        "TimestepEmbedding",
        "cosine_similarity_at",
        "random_table",
        "sinusoidal_embedding",
        "sinusoidal_frequencies",
    ),
    "conditioning": ("AdaGN", "add_to_channels"),
    "unet": (
        "ConditionedBlock",
        "ConvBlock",
        "UNet",
        "UNetAdaGN",
        "UNetSimple",
        "UNetSinusoidal",
        "count_parameters",
    ),
    "networks": ("VARIANTS",),
    "diffusion": ("alphas_cumprod", "linear_beta_schedule", "q_sample"),
    "sampling": (
        "ddim_step",
        "ddpm_step",
        "predict_x_0",
        "sample_ddim",
        "sample_ddpm",
        "timestep_sequence",
    ),
    "guidance": ("GuidedModel", "guided_prediction", "interval_scale"),
    "ideal": ("IdealModel",),
    "data": ("load_mnist", "load_subset", "to_model_range"),
    "training": ("TrainConfig", "TrainState", "train"),
    "experiment.runs": ("COMPARED", "SEEDS", "list_runs", "load_model", "load_outputs", "load_run"),
    "experiment.judge_records": ("load_judge",),
    "experiment.comparison": ("conclude", "paired_difference"),
    "experiment.beside": ("beside",),
    "tables": ("Table",),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
_SUBMODULES = {module.rpartition(".")[2]: module for module in (
    *_PUBLIC, "checks", "exercises", "museum.mistakes", "figures.moving", "figures.plots",
    "probes", "experiment.recording", "scaffold", "telling",
)}  # fmt: skip

__all__ = ["__version__", *_MODULE_OF]

sys.meta_path.append(MovedModules())


def __getattr__(name: str) -> object:
    if name in _MODULE_OF:
        return getattr(import_module(f"condlesson.{_MODULE_OF[name]}"), name)
    if name in _SUBMODULES or name in MOVED:
        return import_module(f"condlesson.{_SUBMODULES.get(name) or MOVED[name]}")
    raise AttributeError(f"module 'condlesson' has no attribute {name!r}.")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES])
