"""Augmentation of training batches, on the device and all images at once.

Images arrive normalised, but the border that a shifted image uncovers is black, as if it had been padded before the
normalisation: `black` is what a black pixel became in each channel. Under per-image normalisation there is no such
value, and 0, the mean of every image, takes its place.
"""

import torch
from torch import Tensor

from workers.datasets.dataset import Augmentation

LARGEST_ANGLE = 15.0  # degrees; Brown et al., arXiv 2211.13239


def augment(images: Tensor, generator: torch.Generator, *, kind: Augmentation, black: Tensor) -> Tensor:
    """The (n, channels, h, w) images as a training step sees them; each has its own draws."""
    if kind == "none":
        return images
    images = crop_flip(images, generator, black=black)
    if kind == "crop_flip":
        return images
    degrees = LARGEST_ANGLE * (2 * torch.rand(len(images), generator=generator, dtype=torch.float64) - 1)
    return rotated(images, degrees, black)


def crop_flip(images: Tensor, generator: torch.Generator, *, black: Tensor, padding: int = 4) -> Tensor:
    """Pad (n, channels, h, w) images with black, crop each to its old size at random, mirror about half of them."""
    # Drawn on the CPU, so that a device does not change what is drawn.
    tops, lefts = torch.randint(2 * padding + 1, (2, len(images)), generator=generator)
    flips = torch.rand(len(images), generator=generator) < 0.5
    return shifted(images, tops.to(images.device), lefts.to(images.device), flips.to(images.device), black, padding)


def shifted(images: Tensor, tops: Tensor, lefts: Tensor, flips: Tensor, black: Tensor, padding: int) -> Tensor:
    """Each padded image cropped at its own (top, left), and mirrored left to right where `flips` says so."""
    count, channels, height, width = images.shape
    padded = black.view(1, -1, 1, 1).repeat(count, 1, height + 2 * padding, width + 2 * padding)
    padded[:, :, padding : padding + height, padding : padding + width] = images
    rows = tops[:, None] + torch.arange(height, device=images.device)
    columns = lefts[:, None] + torch.arange(width, device=images.device)
    columns = torch.where(flips[:, None], columns.flip(1), columns)
    example = torch.arange(count, device=images.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, -1, 1, 1)
    return padded[example, channel, rows[:, None, :, None], columns[:, None, None, :]]


def rotated(images: Tensor, degrees: Tensor, black: Tensor) -> Tensor:
    """Each image turned counter-clockwise about its centre by its own angle, black where it has no pixel.

    By nearest neighbour, which is torchvision's default.
    """
    count, channels, height, width = images.shape
    # Double precision and a gather: the pixel taken does not depend on how a device samples a grid.
    angles = torch.deg2rad(degrees.double()).view(-1, 1, 1)
    cosines, sines = angles.cos().to(images.device), angles.sin().to(images.device)
    y = torch.arange(height, device=images.device, dtype=torch.float64)[:, None] - (height - 1) / 2
    x = torch.arange(width, device=images.device, dtype=torch.float64) - (width - 1) / 2
    columns = (cosines * x - sines * y + (width - 1) / 2).round().long()
    rows = (sines * x + cosines * y + (height - 1) / 2).round().long()
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    example = torch.arange(count, device=images.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, -1, 1, 1)
    taken = images[example, channel, rows.clamp(0, height - 1)[:, None], columns.clamp(0, width - 1)[:, None]]
    return torch.where(inside[:, None], taken, black.view(1, -1, 1, 1))
