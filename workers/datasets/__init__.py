"""Data sets: `dataset(data_seed, *, settings...) -> Dataset`."""

from measures.registry import registry
from workers.datasets.cifar100 import cifar100
from workers.datasets.mnist1d import mnist1d

datasets = registry("dataset", [mnist1d, cifar100])
