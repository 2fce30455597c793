"""Corruptions: `corruption(dataset, generator, *, settings...) -> Dataset`.

Corrupted labels are for training, and the test set keeps its own unless a setting says otherwise; corrupted pixels are
for both, because a network is tested on the kind of image that it was trained on.
"""

from measures.registry import registry
from workers.corruptions.gaussian_pixels import gaussian_pixels
from workers.corruptions.none import none
from workers.corruptions.random_labels import random_labels
from workers.corruptions.random_pixels import random_pixels
from workers.corruptions.shuffled_pixels import shuffled_pixels

corruptions = registry("corruption", [none, random_labels, shuffled_pixels, random_pixels, gaussian_pixels])
