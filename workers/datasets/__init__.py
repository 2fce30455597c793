"""Data sets: `dataset(data_seed, *, settings...) -> Dataset`."""

from measures.registry import registry
from workers.datasets.arrays import arrays
from workers.datasets.bayesian_linear import bayesian_linear
from workers.datasets.binary_cifar import binary_cifar
from workers.datasets.binary_mnist import binary_mnist
from workers.datasets.cifar10 import cifar10
from workers.datasets.cifar100 import cifar100
from workers.datasets.fashion_mnist import fashion_mnist
from workers.datasets.growing_wave import growing_wave
from workers.datasets.image_folder import image_folder
from workers.datasets.mnist import mnist
from workers.datasets.mnist1d import mnist1d
from workers.datasets.modular_arithmetic import modular_arithmetic
from workers.datasets.random_features import random_features
from workers.datasets.sinusoid import sinusoid
from workers.datasets.two_spirals import two_spirals

datasets = registry(
    "dataset",
    [
        mnist1d,
        cifar10,
        cifar100,
        mnist,
        fashion_mnist,
        binary_cifar,
        binary_mnist,
        image_folder,
        arrays,
        modular_arithmetic,
        sinusoid,
        two_spirals,
        random_features,
        bayesian_linear,
        growing_wave,
    ],
)
