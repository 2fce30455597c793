"""Corruptions: `corruption(dataset, generator, *, settings...) -> Dataset`. The test set stays as it is."""

from measures.registry import registry
from workers.corruptions.none import none
from workers.corruptions.random_labels import random_labels

corruptions = registry("corruption", [none, random_labels])
