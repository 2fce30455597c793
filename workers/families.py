"""The tables of all families that a trial or a measurement may name, by the plural of the family's name."""

from collections.abc import Mapping

from measures import measures
from measures.registry import Registry
from workers.corruptions import corruptions
from workers.datasets import datasets
from workers.fits import fits
from workers.losses import losses
from workers.models import models
from workers.online import online
from workers.optimizers import optimizers
from workers.schedules import schedules

FAMILIES: Mapping[str, Registry] = {
    "models": models,
    "datasets": datasets,
    "corruptions": corruptions,
    "losses": losses,
    "optimizers": optimizers,
    "schedules": schedules,
    "fits": fits,
    "online_measures": online,
    "measures": measures,
}
