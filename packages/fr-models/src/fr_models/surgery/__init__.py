"""Surgery: models made of others, with their weights.

Every function takes a functional Keras model and returns a new one, which shares no layer and no variable
with the first, and is not compiled; the first stays as it is. What cannot be reached stays as it is too: the
insides of subclassed layers and models, and of wrappers such as `keras.layers.TimeDistributed`.
"""

from fr_models.surgery.activations import replace_activation
from fr_models.surgery.batch_norm import set_batch_norm
from fr_models.surgery.dropout import remove_dropout, set_dropout
from fr_models.surgery.folding import Folds, batch_norm_folds, fold_batch_norm
from fr_models.surgery.freezing import freeze, unfreeze
from fr_models.surgery.precision import to_float32, to_policy
from fr_models.surgery.regularizers import add_l2
from fr_models.surgery.stochastic_depth import add_stochastic_depth, remove_stochastic_depth
from fr_models.surgery.sub_centers import reduce_sub_centers, sub_center_counts

__all__ = [
    "Folds",
    "add_l2",
    "add_stochastic_depth",
    "batch_norm_folds",
    "fold_batch_norm",
    "freeze",
    "reduce_sub_centers",
    "remove_dropout",
    "remove_stochastic_depth",
    "replace_activation",
    "set_batch_norm",
    "set_dropout",
    "sub_center_counts",
    "to_float32",
    "to_policy",
    "unfreeze",
]
