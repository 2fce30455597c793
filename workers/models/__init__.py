"""Models: `model(input_shape, num_classes, *, settings...) -> Network`. A model never imports another model."""

from measures.registry import registry
from workers.models.mlp import mlp

models = registry("model", [mlp])
