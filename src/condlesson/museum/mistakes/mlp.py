"""Silent bugs of the layers behind the sinusoid."""

from condlesson.museum import broken, symptoms
from condlesson.museum.exhibits import Mistake, ask

__all__ = ["MISTAKES"]

MISTAKES = (
    Mistake(
        name="no_activation",
        title="Two layers that do the work of one",
        bug="Two linear layers in a row",
        exercise="exercise-2",
        code=broken.NoActivationEmbedding,
        check="check_timestep_embedding",
        message="no activation between",
        source="https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/165",
        measure=symptoms.nonlinearity,
        question=ask(
            "The MLP has lost its GELU, and kept its 394,240 parameters. What can it compute?",
            (
                "What a single linear layer can, exactly.",
                "W_2 (W_1 s + b_1) + b_2 is one matrix times s, plus one bias.",
            ),
            (
                "Nearly as much: the widths are the same.",
                "A product of two matrices is a matrix, however wide they are.",
            ),
            (
                "Nothing: gradients vanish.",
                "They flow better than before. That is why nobody looks.",
            ),
            right=0,
        ),
    ),
    Mistake(
        name="unregistered",
        title="An embedding that never moves",
        bug="Layers in a plain list",
        exercise="exercise-2",
        code=broken.UnregisteredEmbedding,
        check="check_timestep_embedding",
        message="(?s)no parameters.*not registered",
        source="https://github.com/ikostrikov/pytorch-meta-optimizer/issues/11",
        measure=symptoms.registered,
        question=ask(
            "The two layers stand in a Python list. They are used in every forward pass, and "
            "gradients reach them. What does Adam do with them?",
            (
                "It trains them: they have gradients.",
                "It trains what model.parameters() gives it, and these are not among that.",
            ),
            (
                "Nothing. They stay as they were drawn.",
                "And they are in no checkpoint either, nor do they move to a GPU with the rest.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="unsaved_features",
        title="Right today, noise tomorrow",
        bug="Random features that no checkpoint holds",
        exercise="exercise-2",
        code=broken.UnsavedFourierFeatures,
        check="check_random_fourier_features",
        message="lost when the weights are saved",
        source="https://github.com/MAZiqing/FEDformer/issues/77",
        measure=symptoms.kept_by_weights,
        question=ask(
            "The frequencies are drawn when the object is made, and kept as an attribute. You "
            "train, save the weights, and load them the next day. What do you have?",
            (
                "Trained weights behind a new clock.",
                "New frequencies were drawn, and load_state_dict misses nothing.",
            ),
            (
                "The same network.",
                "All weights are the same. The frequencies are no weights.",
            ),
            right=0,
        ),
    ),
)
