"""The sections of a recipe besides its stages: model, data, evaluate, teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fr_models._settings import (
    Settings,
    boolean,
    list_of,
    named,
    number,
    one_of,
    part,
    sizes,
    text,
    whole,
)
from fr_models.data.augmentation import Augmentation
from fr_models.data.samplers import Sampler, sampler_from_dict
from fr_models.train.set_settings import checked_sets

__all__ = ["Data", "Evaluation", "Model", "Synthetic", "Teacher"]

MOST_SIDE = 4096


def an_image_shape(value: Any) -> tuple[int, ...]:
    """Expect height, width and the three channels of colour images."""
    shape: tuple[int, ...] = sizes(3)(value)
    if shape[2] != 3 or max(shape) > MOST_SIDE:
        raise ValueError(f"expected [height, width, 3] with sides of 1 to {MOST_SIDE}, got {value!r}")
    return shape


# What a network of a file has of its own.
OF_NAMED = (
    *("embedding_dim", "head", "activation", "use_se", "use_max_pool", "bn_momentum", "bn_epsilon"),
    *("padding", "pointwise", "weights"),
)


@dataclass(frozen=True)
class Model(Settings):
    """The backbone: one of `fr_models.create` by its arguments, or a file; then what surgery does to it.

    Attributes
    ----------
    name : str, optional
        As `fr_models.create` takes it; this or ``file`` must be given.
    file : str, optional
        A ``.keras`` file of a backbone to go on with, of images of ``input_shape``.
    embedding_dim, input_shape, dropout, activation, use_se, use_max_pool, bn_momentum, bn_epsilon, padding, \
    pointwise, weights
        As in `fr_models.create`; with ``file``, only ``input_shape`` and ``dropout`` may be given.
    head : str or mapping
        A kind of `fr_models.heads`, or its ``kind`` with other settings of `fr_models.heads.Head`.
    l2 : float
        MXNet's weight decay, as L2 on kernels (`fr_models.surgery.add_l2`) and on rows of classes. Where a
        `fr_losses.RowOptimizer` updates these, no loss counts it, and a row that is not drawn has none.
    l2_batch_norm : bool
        Whether batch normalisation and PReLU have it too.
    stochastic_depth : float, optional
        Survival of the last residual branch, falling to it along a line from 1.
    """

    name: Annotated[str | None, text] = None
    file: Annotated[str | None, text] = None
    embedding_dim: Annotated[int, whole(1)] = 512
    head: Annotated[Any, named("kind")] = "GDC"
    input_shape: Annotated[tuple[int, int, int], an_image_shape] = (112, 112, 3)
    dropout: Annotated[float, number(0, 1, below=True)] = 0.0
    activation: Annotated[str | None, text] = None
    use_se: Annotated[bool | None, boolean] = None
    use_max_pool: Annotated[bool | None, boolean] = None
    bn_momentum: Annotated[float | None, number(0, 1, below=True)] = None
    bn_epsilon: Annotated[float | None, number(0, 1, above=True, below=True)] = None
    padding: Annotated[str | None, text] = None
    pointwise: Annotated[int, whole(-1)] = 0
    weights: Annotated[str | None, text] = None
    l2: Annotated[float, number(0)] = 0.0
    l2_batch_norm: Annotated[bool, boolean] = False
    stochastic_depth: Annotated[float | None, number(0, 1, above=True)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.name is None) == (self.file is None):
            raise ValueError("name, file: expected one of the two")
        if self.file is not None:
            named = Model(name="a network")
            for key in OF_NAMED:
                if (value := getattr(self, key)) != getattr(named, key):
                    raise ValueError(f"{key}: a network of a file has its own, expected none, got {value!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, without what a network of a file has of its own."""
        settings = super().to_dict()
        return settings if self.file is None else {k: v for k, v in settings.items() if k not in OF_NAMED}


def a_sampler(value: Any) -> Sampler:
    """Expect a sampler, or what `sampler_from_dict` reads."""
    return value if isinstance(value, Sampler) else sampler_from_dict(value)


@dataclass(frozen=True)
class Synthetic(Settings):
    """Made-up people: arguments of `fr_models.data.synthetic.SyntheticFaces`."""

    identities: Annotated[int, whole(1)]
    images_per_identity: Annotated[int, whole(1)]
    seed: Annotated[int, whole(0)] = 0


@dataclass(frozen=True)
class Data(Settings):
    """What is trained on, and what becomes of pixels.

    Attributes
    ----------
    path : str, optional
        Of a dataset in any format of `fr_models.data`; by default it is given when the training starts.
    synthetic : Synthetic, optional
        Made-up people, in place of a path.
    batch_size : int
        Images of a step, on all replicas together.
    scale, offset, colour
        The network's input is ``(pixel - offset) * scale``, and the order of its channels ``colour``.
    augmentation : Augmentation, optional
        Of `fr_models.data`; by default it flips images.
    sampler : Sampler, optional
        Of `fr_models.data`; by default all images once an epoch.
    least_images : int
        Classes with fewer images are left out.
    on_unreadable : {"stop", "skip"}
        What is done at an image that cannot be read; one skipped is counted.
    """

    path: Annotated[str | None, text] = None
    synthetic: Annotated[Synthetic | None, part(Synthetic)] = None
    batch_size: Annotated[int, whole(1)] = 128
    scale: Annotated[float, number()] = 1 / 128
    offset: Annotated[float, number()] = 127.5
    colour: Annotated[str, one_of("RGB", "BGR")] = "RGB"
    augmentation: Annotated[Augmentation | None, part(Augmentation)] = None
    sampler: Annotated[Sampler | None, a_sampler] = None
    least_images: Annotated[int, whole(1)] = 1
    on_unreadable: Annotated[str, one_of("stop", "skip")] = "stop"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.path is not None and self.synthetic is not None:
            raise ValueError("path, synthetic: expected one of the two")

    @property
    def mixup(self) -> float:
        """Alpha of mixed images; 0: none are."""
        return 0.0 if self.augmentation is None else self.augmentation.mixup


@dataclass(frozen=True)
class Evaluation(Settings):
    """What the backbone is tested on while it trains.

    Attributes
    ----------
    sets : mapping
        Sets by name (`fr_models.train.set_settings`): each a ``path``, or one with ``kind`` and further
        settings.
    every_epochs : int
        At the ends of how many epochs: of each, or of every second, third, ... and of the last.
    every_steps : int, optional
        Also after so many steps of the run, within epochs or at their ends.
    best : str, optional
        The metric that decides which checkpoint is the best, as ``SET.METRIC``; by default the first set's.
    mode : {"max", "min"}, optional
        Whether it is the highest or the lowest, which each metric says itself (`fr_models.train.best.MODES`).
    flip : bool
        Whether embeddings of images and of their mirror images are added.
    """

    sets: Annotated[Any, checked_sets] = None
    every_epochs: Annotated[int, whole(1)] = 1
    every_steps: Annotated[int | None, whole(1)] = None
    best: Annotated[str | None, text] = None
    mode: Annotated[str | None, one_of("max", "min")] = None
    flip: Annotated[bool, boolean] = True


@dataclass(frozen=True)
class Teacher(Settings):
    """Whom the student learns from, in stages with ``distill``.

    Attributes
    ----------
    model : str, optional
        A file that `fr_eval.embedders.load_embedder` takes, asked in each step. By default the embeddings
        that lie beside the images of the dataset.
    form : {"embedding", "classes", "features"}
        What is compared: embeddings; the divergence of their cosines with the classes; feature maps, of a
        ``.keras`` teacher.
    layers : list of [student, teacher], optional
        Names of the layers whose maps are compared; ``form: features`` must have them.
    """

    model: Annotated[str | None, text] = None
    form: Annotated[str, one_of("embedding", "classes", "features")] = "embedding"
    layers: Annotated[Any, list_of(list_of(text, 2), 1)] = None
