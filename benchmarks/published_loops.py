"""How the published code bases train on CIFAR-10: their data, their loaders, their loops.

- mlp: a reproduction of Zhang et al. (arXiv 1611.03530): the central 28 x 28 pixels, normalised once and kept in memory
  as float32, from where a DataLoader with 2 processes takes them one by one. Loss and accuracy are read after every
  batch.
- convnet: Maddox, Benton & Wilson (arXiv 2003.02139): torchvision's crop, flip, ToTensor and Normalize on every PIL
  image, in 4 loader processes. Loss and accuracy are read after every batch.
- resnet18: Brown et al. (arXiv 2211.13239), the CIFAR-10 form: the same transforms, in 1 process. They train with
  Lightning, whose cost is left out: the loss and accuracy of a batch stay on the device.

None has more loader processes than there are cores, which is kinder than published, as is the lack of progress bars and
of loggers. Initial weights and the order of the batches are those of our own trainings, so that losses can
be compared.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler
from torch.utils.data import Dataset as Examples
from torchvision import transforms

from measures.registry import Component
from workers.datasets.dataset import Augmentation, Dataset
from workers.datasets.prepared import prepared
from workers.models import models
from workers.runtime import Runtime
from workers.schedules import schedules
from workers.schedules.position import Position
from workers.seeding import named_seed
from workers.spec import TrialSpec


@dataclass(frozen=True)
class Protocol:
    """What a code base trains with on CIFAR-10."""

    optimizer: Component
    schedule: Component
    loader_processes: int
    reads_every_batch: bool = True  # the device waits for it
    crop: int | None = None
    augmentation: Augmentation = "crop_flip"


PROTOCOLS = {
    "mlp": Protocol(
        Component("sgd", learning_rate=0.01, momentum=0.9),
        Component("exponential"),
        loader_processes=2,
        crop=28,
        augmentation="none",
    ),
    "convnet": Protocol(
        Component("sgd", learning_rate=0.01, momentum=0.9, weight_decay=1e-4),
        Component("half_constant_linear"),
        loader_processes=4,
    ),
    "resnet18": Protocol(
        Component("sgd", learning_rate=0.1, momentum=0.9, weight_decay=5e-4),
        Component("cosine"),
        loader_processes=1,
        reads_every_batch=False,
    ),
}
BATCH_SIZE = 128


class InMemory(Examples[tuple[Tensor, Tensor]]):
    """Images that are normalised once; each is taken out by itself."""

    def __init__(self, data: Dataset) -> None:
        mean, deviation = (torch.tensor(values).view(-1, 1, 1) for values in _normalization(data))
        self.inputs = torch.tensor(np.array(data.x_train)).float().div_(255).sub_(mean).div_(deviation)
        self.targets = torch.tensor(np.array(data.y_train))

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.inputs[index], self.targets[index]


class Pictures(Examples[tuple[Tensor, int]]):
    """Images as torchvision's CIFAR10 gives them: uint8 in memory, PIL, then the transforms."""

    def __init__(self, data: Dataset) -> None:
        self.images: NDArray[Any] = np.ascontiguousarray(np.asarray(data.x_train).transpose(0, 2, 3, 1))
        self.targets: list[int] = data.y_train.tolist()
        steps = [
            transforms.RandomCrop(data.input_shape[1:], padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(*_normalization(data)),
        ]
        self.transform: Any = transforms.Compose(steps)  # typed as if it gave an image

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.targets[index]


def _normalization(data: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not isinstance(data.normalization, tuple):
        raise ValueError(f"normalization={data.normalization!r} is not valid: mean and deviation of each channel")
    return data.normalization


def train_as_published(
    spec: TrialSpec, protocol: Protocol, runtime: Runtime, after_step: Callable[[int], None]
) -> float:
    """The code base's loop on the trial; the mean loss over its last epoch. Calls `after_step(steps done)`."""
    torch.set_num_threads(runtime.threads)
    torch.backends.cudnn.benchmark = True
    data = prepared(spec.dataset, spec.data_seed, runtime.cache).dataset
    model = _initial_network(spec, data).to(runtime.device).train()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=spec.optimizer["learning_rate"],
        momentum=spec.optimizer["momentum"],
        weight_decay=spec.optimizer["weight_decay"],
    )
    order = torch.Generator()
    loader = _loader(data, protocol, order, pin_memory=runtime.device != "cpu")
    loss = 0.0
    for epoch in range(spec.fit["epochs"]):
        order.manual_seed(named_seed(spec.order_seed, "order", epoch))
        position = Position(epoch * len(loader), len(loader), spec.fit["epochs"])
        for group in optimizer.param_groups:
            group["lr"] = spec.optimizer["learning_rate"] * schedules.call(spec.schedule, position)
        loss = _train_epoch(model, loader, optimizer, protocol, lambda i, done=position.step: after_step(done + i))
    return loss


def _initial_network(spec: TrialSpec, data: Dataset) -> nn.Module:
    torch.manual_seed(named_seed(spec.init_seed, "init"))
    return models.call(spec.model, data.input_shape, data.num_classes).module


def _loader(
    data: Dataset, protocol: Protocol, order: torch.Generator, pin_memory: bool
) -> DataLoader[tuple[Tensor, Tensor]]:
    examples: Any = InMemory(data) if protocol.augmentation == "none" else Pictures(data)
    return DataLoader(
        examples,
        batch_size=BATCH_SIZE,
        sampler=RandomSampler(examples, generator=order),  # what shuffle=True makes, with an order that is known
        num_workers=min(protocol.loader_processes, os.cpu_count() or 1),
        pin_memory=pin_memory,
    )


def _train_epoch(
    model: nn.Module,
    loader: DataLoader[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    protocol: Protocol,
    after_step: Callable[[int], None],
) -> float:
    """One epoch; the mean loss over it. `loss_sum` and `correct` are kept as published, a reading a batch or none."""
    device = next(model.parameters()).device
    loss_sum: Any = 0.0
    correct: Any = 0
    for step, (inputs, targets) in enumerate(loader, start=1):
        inputs, targets = inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)
        outputs = model(inputs)
        loss = nn.functional.cross_entropy(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        hits = (outputs.detach().argmax(dim=1) == targets).sum()
        loss_sum += (loss.item() if protocol.reads_every_batch else loss.detach()) * len(targets)
        correct += hits.item() if protocol.reads_every_batch else hits
        after_step(step)
    return float(loss_sum) / (len(loader) * BATCH_SIZE)
