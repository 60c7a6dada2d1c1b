"""The sections of a recipe besides its stages: model, data, evaluate, teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fr_models._settings import (
    Settings,
    a_mapping,
    boolean,
    list_of,
    named,
    number,
    one_of,
    sizes,
    text,
    whole,
)


@dataclass(frozen=True)
class Model(Settings):
    """The backbone: one of `fr_models.create` by its arguments, or a file; then what surgery does to it.

    Attributes
    ----------
    name : str, optional
        As `fr_models.create` takes it; this or ``file`` must be given.
    file : str, optional
        A ``.keras`` file of a backbone to go on with.
    embedding_dim, input_shape, dropout, activation, use_se, use_max_pool, bn_momentum, bn_epsilon, padding, \
    pointwise, weights
        As in `fr_models.create`; with ``file``, only ``dropout`` is.
    head : str or mapping
        A kind of `fr_models.heads`, or its ``kind`` with other settings of `fr_models.heads.Head`.
    l2 : float
        MXNet's weight decay, as L2 on kernels (`fr_models.surgery.add_l2`) and on rows of classes, unless a
        `fr_losses.RowOptimizer` updates these.
    l2_batch_norm : bool
        Whether batch normalisation and PReLU have it too.
    stochastic_depth : float, optional
        Survival of the last residual branch, falling to it along a line from 1.
    """

    name: Annotated[str | None, text] = None
    file: Annotated[str | None, text] = None
    embedding_dim: Annotated[int, whole(1)] = 512
    head: Annotated[Any, named("kind")] = "GDC"
    input_shape: Annotated[tuple[int, int, int], sizes(3)] = (112, 112, 3)
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


@dataclass(frozen=True)
class Data(Settings):
    """What is trained on, and what becomes of pixels.

    Attributes
    ----------
    path : str, optional
        Of a dataset in any format of `fr_models.data`; by default it is given when the training starts.
    synthetic : mapping, optional
        Arguments of `fr_models.data.synthetic.SyntheticFaces`, in place of a path.
    batch_size : int
        Images of a step, on all replicas together.
    scale, offset, colour
        The network's input is ``(pixel - offset) * scale``, and the order of its channels ``colour``.
    augmentation : mapping
        Settings of `fr_models.data.augmentation`; by default it flips images.
    sampler : mapping
        Settings of `fr_models.data.samplers`: by default all images once an epoch.
    least_images : int
        Classes with fewer images are left out.
    on_unreadable : {"stop", "skip"}
        What is done at an image that cannot be read; one skipped is counted.
    """

    path: Annotated[str | None, text] = None
    synthetic: Annotated[Any, a_mapping] = None
    batch_size: Annotated[int, whole(1)] = 128
    scale: Annotated[float, number()] = 1 / 128
    offset: Annotated[float, number()] = 127.5
    colour: Annotated[str, one_of("RGB", "BGR")] = "RGB"
    augmentation: Annotated[Any, a_mapping] = None
    sampler: Annotated[Any, named("kind")] = None
    least_images: Annotated[int, whole(1)] = 1
    on_unreadable: Annotated[str, one_of("stop", "skip")] = "stop"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.path is not None and self.synthetic is not None:
            raise ValueError("path, synthetic: expected one of the two")


@dataclass(frozen=True)
class Evaluation(Settings):
    """What the backbone is tested on while it trains.

    Attributes
    ----------
    sets : mapping
        Sets by name: each a path, or a ``path`` with ``kind`` and further settings.
    every_steps : int, optional
        Also within epochs; by default at their ends.
    best : str, optional
        The metric that decides which checkpoint is the best, as ``SET.METRIC``; by default the first set's.
    mode : {"max", "min"}
        Whether it is the highest or the lowest.
    flip : bool
        Whether embeddings of images and of their mirror images are added.
    """

    sets: Annotated[Any, a_mapping] = None
    every_steps: Annotated[int | None, whole(1)] = None
    best: Annotated[str | None, text] = None
    mode: Annotated[str, one_of("max", "min")] = "max"
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
        Names of the layers whose maps are compared.
    """

    model: Annotated[str | None, text] = None
    form: Annotated[str, one_of("embedding", "classes", "features")] = "embedding"
    layers: Annotated[Any, list_of(list_of(text, 2), 1)] = None
