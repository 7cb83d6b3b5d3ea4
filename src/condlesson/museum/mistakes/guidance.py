"""Silent bugs of what to draw: the class, the null class, guidance."""

from condlesson.museum import broken, class_symptoms
from condlesson.museum.exhibits import Mistake, ask

__all__ = ["MISTAKES"]

MISTAKES = (
    Mistake(
        name="deaf_network",
        title="An argument that is accepted",
        bug="A class that nobody hears",
        exercise="exercise-5",
        code=broken.DeafUNet,
        test=class_symptoms.hears_classes,
        message="predicts exactly the same",
        source="https://github.com/huggingface/diffusers/issues/5330",
        measure=class_symptoms.heard_class,
        question=ask(
            "You train with labels, and the loss falls as it always does. What does the network "
            "draw when you ask for a 7?",
            (
                "A 7, but less clearly than a network with a table of classes.",
                "There is no table, so nothing carries the class.",
            ),
            (
                "Any digit.",
                "The label is accepted and dropped: the network has no table of classes, and does "
                "not say so.",
            ),
            ("Nothing: it raises an error.", "It would be better. No line asks for it."),
            right=1,
        ),
    ),
    Mistake(
        name="coin_of_each_block",
        title="One in ten, three times",
        bug="A coin for every block",
        exercise="exercise-5",
        code=broken.told_by_block,
        test=class_symptoms.is_withheld_whole,
        message="withheld in some blocks and told in others",
        source="https://github.com/YuchuanTian/U-DiT/issues/12",
        measure=class_symptoms.withheld_shares,
        question=ask(
            "Three blocks each withhold the class from one image in ten. How often does the "
            "network see an image without any class?",
            ("For one image in ten.", "So it would be if all blocks decided together."),
            ("For three in ten.", "For about three in ten, one block at least is told nothing."),
            (
                "For one in a thousand.",
                "All three have to withhold it at once: 0.1 times 0.1 times 0.1.",
            ),
            right=2,
        ),
    ),
    Mistake(
        name="no_guidance",
        title="A scale that does nothing",
        bug="Both predictions with the class",
        exercise="exercise-5",
        code=broken.unguided_prediction,
        check="check_guided_prediction",
        message="asked only with the labels",
        source="https://github.com/QiaoyuHu89/DiffGui/issues/5",
        measure=class_symptoms.guided_change,
        question=ask(
            "What do samples look like at a scale of 4?",
            (
                "Like those at a scale of 1.",
                "Both predictions are the same, so their difference is 0, and so is four times it.",
            ),
            (
                "Like those without a class.",
                "Both predictions are told the class, so what is left is the one with it.",
            ),
            (
                "Too strong: guided away from themselves.",
                "The difference of two equal predictions is 0. Nothing is guided.",
            ),
            right=0,
        ),
    ),
)
