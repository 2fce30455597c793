"""Augmentation of training batches, on the device and all images at once.

Images arrive normalised, but the border that a shifted image uncovers is black, as if it had been padded before the
normalisation: `black` is what a black pixel became in each channel.
"""

import torch
from torch import Tensor


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
