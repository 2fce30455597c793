"""Schedules: `schedule(position, *, settings...) -> float`, the factor on the learning rate at an optimiser step."""

from measures.registry import registry
from workers.schedules.constant import constant
from workers.schedules.half_constant_linear import half_constant_linear

schedules = registry("schedule", [constant, half_constant_linear])
