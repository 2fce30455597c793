"""Losses: `loss(num_classes, *, settings...) -> Loss`; `num_classes` is None where the targets are numbers."""

from measures.registry import registry
from workers.losses.binary_cross_entropy import binary_cross_entropy
from workers.losses.cross_entropy import cross_entropy
from workers.losses.half_binary_cross_entropy import half_binary_cross_entropy
from workers.losses.half_mean_squared_error import half_mean_squared_error

losses = registry("loss", [cross_entropy, binary_cross_entropy, half_binary_cross_entropy, half_mean_squared_error])
