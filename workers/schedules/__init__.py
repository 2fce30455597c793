"""Schedules: `schedule(position, *, settings...) -> float`, the factor on the learning rate at an optimiser step."""

from measures.registry import registry
from workers.schedules.constant import constant
from workers.schedules.cosine import cosine
from workers.schedules.decade_decay import decade_decay
from workers.schedules.exponential import exponential
from workers.schedules.half_constant_linear import half_constant_linear
from workers.schedules.linear_warmup import linear_warmup
from workers.schedules.multi_step import multi_step

schedules = registry(
    "schedule", [constant, half_constant_linear, exponential, multi_step, cosine, linear_warmup, decade_decay]
)
