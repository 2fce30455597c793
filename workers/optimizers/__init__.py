"""Optimisers: `optimizer(parameters, *, settings...) -> torch.optim.Optimizer`."""

from measures.registry import registry
from workers.optimizers.adam import adam
from workers.optimizers.adamw import adamw
from workers.optimizers.sgd import sgd

optimizers = registry("optimizer", [sgd, adam, adamw])
