"""Models: `model(input_shape, num_outputs, *, settings...) -> Network`. A model never imports another model."""

from measures.registry import registry
from workers.models.alexnet import alexnet
from workers.models.inception import inception
from workers.models.mlp import mlp
from workers.models.preact_resnet18 import preact_resnet18
from workers.models.resnet18 import resnet18
from workers.models.wide_resnet import wide_resnet

models = registry("model", [alexnet, inception, mlp, preact_resnet18, resnet18, wide_resnet])
