"""The measure `dropout_bound`: the terms of a generalisation bound for networks trained with Dropout.

They are terms and no bound: the theorem leaves open a vanishing o(1), and its covering number needs the dimension of
the data, which has to be assumed. It also asks for a network trained with Dropout of one half at the end of its forward
pass, and for training examples that together activate every unit that any input does.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor, nn

from measures.activation_patterns import activation_patterns
from measures.examples import chosen_examples
from measures.inputs import Estimate, Measurement, Snapshot
from measures.local_lipschitz import local_lipschitz
from measures.operators import evaluating

STAND_IN = (
    "phi is the largest local Lipschitz constant at the examples, standing in for the largest normalised step of the "
    "first bias in training (online measure bias_trajectory, field largest)."
)


@dataclass(frozen=True)
class DropoutBoundTerms:
    """Terms of theorem 3, the o(1) dropped; NaN where the network has more than one output.

    `phi` bounds the normalised steps of training, `mu` is the least distance of the outputs to 0 and 1, `p_min` the
    least share of the examples at which a unit is active, `num_units` the number of hidden units, `radius` the r(X) at
    which the data are to be covered, `steady_lipschitz` the Lipschitz constant of a steady learner.
    """

    phi: float
    mu: float
    p_min: float
    num_units: int
    radius: float
    steady_lipschitz: float


def dropout_bound_terms(
    model: nn.Module, x: Tensor, *, phi: float | None = None, gamma: float = 0.0, beta: float = 1.0
) -> DropoutBoundTerms:
    r"""Terms of theorem 3 of Loukas, Poiitis, Jegelka (arXiv 2106.04186) at training examples in the rows.

    With f the sigmoid of a single output, $c = (1 + \gamma) \beta / (\mu (1 - \mu) p_\mathrm{min})$, the radius
    $r = \min_i |1 - 2 f(x_i)| / (c \varphi \log n)$ and $\lambda^\mathrm{steady} = (\varphi c / 4) \log n$ for n hidden
    units. Without a `phi` from training it is the largest local Lipschitz constant of f at the examples. Units are
    those of ReLUs. Costs one forward and one backward pass.

    >>> terms = dropout_bound_terms(nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1)), torch.randn(50, 2))
    >>> terms.num_units
    5
    """
    active = torch.cat(activation_patterns(model, x), dim=1)
    p_min, num_units = float(active.double().mean(dim=0).min()), active.shape[1]
    with evaluating(model), torch.no_grad():
        outputs = model(x).reshape(len(x), -1).double()
    if outputs.shape[1] != 1:
        return DropoutBoundTerms(math.nan, math.nan, p_min, num_units, math.nan, math.nan)
    f = outputs.sigmoid()
    mu = float(torch.sigmoid(-outputs.abs()).min())
    steepness = local_lipschitz(model, x, sigmoid=True).largest if phi is None else phi
    share = mu * (1 - mu) * p_min
    scale = steepness * (1 + gamma) * beta * math.log(num_units)  # c phi log n, up to the share
    steady = scale / (4 * share) if share > 0 else math.inf
    nearest = float((1 - 2 * f).abs().min())
    return DropoutBoundTerms(steepness, mu, p_min, num_units, nearest * share / scale if scale else math.inf, steady)


def dropout_bound(
    snapshot: Snapshot,
    *,
    num_examples: Annotated[int, Field(ge=2)] = 1000,
    phi: NonNegativeFloat | None = None,
    gamma: NonNegativeFloat = 0.0,
    beta: Annotated[float, Field(ge=1)] = 1.0,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Measurement:
    """Terms of the Dropout bound of Loukas et al.: radius of the cover, steady Lipschitz constant, and their parts.

    Terms and no bound: theorem 3 of arXiv 2106.04186 with its o(1) dropped, gamma and beta assumed, and without the
    covering number, which needs the dimension of the data. It is of a single output behind a sigmoid, trained with
    Dropout; elsewhere those terms are NaN. `phi` is that of the training (the largest normalised step of the first
    bias); where it is not given, the largest local Lipschitz constant stands in for it, and a note says so. See
    `dropout_bound_terms`. Costs one forward and one backward pass of `num_examples` training examples.

    >>> from measures import Split
    >>> data = Split(torch.randn(9, 2), torch.zeros(9))
    >>> model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1))
    >>> dropout_bound(Snapshot(model, (), data, data, nn.functional.mse_loss), phi=1.0).values["phi"].value
    1.0
    """
    examples = chosen_examples(snapshot.train, num_examples, seed).inputs
    terms = dropout_bound_terms(snapshot.model, examples, phi=phi, gamma=gamma, beta=beta)
    names = ("phi", "mu", "p_min", "num_units", "radius", "steady_lipschitz")
    return Measurement(
        {name: Estimate(float(getattr(terms, name))) for name in names}, notes=_notes(snapshot, terms, phi)
    )


def _notes(snapshot: Snapshot, terms: DropoutBoundTerms, phi: float | None) -> tuple[str, ...]:
    notes: list[str] = []
    if math.isnan(terms.mu):
        notes.append("The theorem is of one output behind a sigmoid; of several, only p_min and num_units are known.")
    elif phi is None:
        notes.append(STAND_IN)
    if terms.p_min == 0:
        notes.append("A unit is active at none of the examples, so p_min is 0 and the terms say nothing.")
    if not any(isinstance(module, nn.Dropout) and module.p > 0 for module in snapshot.model.modules()):
        notes.append("The network has no Dropout, which the theorem asks for.")
    return tuple(notes)
