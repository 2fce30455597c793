"""Models: `model(input_shape, num_outputs, *, settings...) -> Network`. A model never imports another model."""

from measures.registry import registry
from workers.models.mlp import mlp
from workers.models.preact_resnet18 import preact_resnet18

models = registry("model", [mlp, preact_resnet18])
