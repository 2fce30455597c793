"""Models: `model(input_shape, num_outputs, *, settings...) -> Network`. A model never imports another model.

A trial gives shape and outputs; their defaults are those of the published network, which `gensweep show` takes.
"""

from measures.registry import registry
from workers.models.alexnet import alexnet
from workers.models.binary_cnn import binary_cnn
from workers.models.binary_mlp import binary_mlp
from workers.models.conv11 import conv11
from workers.models.convnet import convnet
from workers.models.inception import inception
from workers.models.lenet import lenet
from workers.models.linear import linear
from workers.models.mlp import mlp
from workers.models.mnist_cnn import mnist_cnn
from workers.models.preact_resnet18 import preact_resnet18
from workers.models.resnet18 import resnet18
from workers.models.sinusoid_net import sinusoid_net
from workers.models.spirals_net import spirals_net
from workers.models.transformer import transformer
from workers.models.wide_resnet import wide_resnet

models = registry(
    "model",
    [
        alexnet,
        binary_cnn,
        binary_mlp,
        conv11,
        convnet,
        inception,
        lenet,
        linear,
        mlp,
        mnist_cnn,
        preact_resnet18,
        resnet18,
        sinusoid_net,
        spirals_net,
        transformer,
        wide_resnet,
    ],
)
