"""Draws from the posterior of a network by the no-U-turn sampler of NumPyro, an optional package.

The model is that of Maddox, Benton & Wilson (arXiv 2003.02139, figure 4): all weights N(0, 1), targets Gaussian about
the output with a precision from Gamma(3, 1).
"""

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.func import functional_call

from measures.inputs import Split
from measures.operators import evaluating
from workers.checkpoint import TrainingState
from workers.evaluation import evaluate
from workers.fits.dense_jax import dense_function, dense_layers
from workers.fits.outcome import Outcome
from workers.fits.posterior_draws import PosteriorDraws, dimensionalities
from workers.problem import Problem
from workers.seeding import named_seed
from workers.session import Session

PRECISION = "precision"
SHAPE, RATE = 3.0, 1.0  # of its Gamma distribution
Arrays = Mapping[str, NDArray[np.float32]]


def nuts(
    problem: Problem,
    session: Session,
    *,
    num_warmup: Annotated[int, Field(ge=1)] = 2000,
    num_samples: Annotated[int, Field(ge=4)] = 2000,
    z: Annotated[float, Field(gt=0)] = 1.0,
    function_z: Annotated[float, Field(gt=0)] = 0.01,
) -> Outcome:
    """One chain of the no-U-turn sampler from the initial weights; the network that is stored is its last draw.

    Step 0 is the initial network, the last step the number of draws, warm-up included. Beside errors of the mean over
    draws, the effective dimensionalities of parameters (at `z`) and of the function at the training examples (at
    `function_z`), and how well the chain has mixed. All draws are in the last checkpoint. ValueError if NumPyro is not
    installed, the network is not dense with one output, or the targets are classes.
    """
    _check(problem)
    module, steps = problem.network.module, num_warmup + num_samples
    state = session.newest_state(module, problem.dataset_sha256)
    if state is not None:
        module.load_state_dict(state.part("model"))
        if state.step == steps:
            return Outcome(steps)
    else:
        _record(problem, session, 0, {}, {})
    draws, of_sampler = _sampled(problem, num_warmup, num_samples)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(draws[name][-1]))
    found, test = _posterior(problem, draws), _function(problem, draws, problem.test)
    noise = np.random.default_rng(named_seed(problem.order_seed, "nuts", "noise")).standard_normal(found.function.shape)
    metrics = {
        **dimensionalities(found, z=z, function_z=function_z, noise=noise),
        **of_sampler,
        **mixing(found.function),
        "train/relative_error": _relative_error(found.function.mean(axis=0), problem.train),
        "test/relative_error": _relative_error(test.mean(axis=0), problem.test),
    }
    _record(problem, session, steps, metrics, {name: torch.from_numpy(each) for name, each in draws.items()})
    return Outcome(steps)


def _check(problem: Problem) -> None:
    if importlib.util.find_spec("numpyro") is None:
        raise ValueError(
            "fit nuts needs the package numpyro, which is not installed: pip install 'gensweep[posterior]'"
        )
    dense_layers(problem.network.module)
    if not problem.train.targets.is_floating_point():
        kind = problem.train.targets.dtype
        raise ValueError(f"fit nuts is not valid for targets of type {kind}: it is for numbers, not classes")


def _sampled(problem: Problem, num_warmup: int, num_samples: int) -> tuple[Arrays, dict[str, float]]:
    """The draws by name, and what the sampler says of itself."""
    jax, numpyro, infer = (importlib.import_module(name) for name in ("jax", "numpyro", "numpyro.infer"))
    function = dense_function(problem.network.module, jax)
    start = {name: each.detach().cpu().numpy() for name, each in problem.network.module.named_parameters()}

    def model(inputs: Any, targets: Any) -> None:
        prior = numpyro.distributions.Normal(0.0, 1.0)
        weights = {name: numpyro.sample(name, prior.expand(each.shape).to_event()) for name, each in start.items()}
        precision = numpyro.sample(PRECISION, numpyro.distributions.Gamma(SHAPE, RATE))
        noise = numpyro.distributions.Normal(function(weights, inputs)[:, 0], precision**-0.5)
        numpyro.sample("targets", noise, obs=targets)

    kernel = infer.NUTS(model, init_strategy=infer.init_to_value(values=start))
    chain = infer.MCMC(kernel, num_warmup=num_warmup, num_samples=num_samples, progress_bar=False)
    key = jax.random.PRNGKey(named_seed(problem.order_seed, "nuts") % 2**32)
    chain.run(key, *_arrays(problem.train), extra_fields=("diverging", "num_steps"))
    draws = {name: np.array(each) for name, each in chain.get_samples().items()}
    extra = chain.get_extra_fields()
    return draws, {
        "posterior/divergences": float(extra["diverging"].sum()),
        "posterior/leapfrog_steps": float(extra["num_steps"].mean()),
    }


def mixing(function: NDArray[np.float64]) -> dict[str, float]:
    """Of the function, not the weights: these may be permuted, and a chain need not have come by all orders.

    Effective draws have a ceiling of n log10(n), as in Stan: few draws can seem to have no autocorrelation time at all.
    """
    diagnostics = importlib.import_module("numpyro.diagnostics")
    with np.errstate(divide="ignore"):
        effective = np.asarray(diagnostics.effective_sample_size(function[None]))
    ceiling = len(function) * np.log10(len(function))
    effective = np.where(effective <= 0, ceiling, effective).clip(max=ceiling)
    return {
        "posterior/least_effective_draws": float(np.min(effective)),
        "posterior/largest_split_rhat": float(np.max(diagnostics.split_gelman_rubin(function[None]))),
    }


def _posterior(problem: Problem, draws: Arrays) -> PosteriorDraws:
    weights = [each.reshape(len(each), -1) for name, each in draws.items() if name != PRECISION]
    function = _function(problem, draws, problem.train)
    return PosteriorDraws(
        np.concatenate(weights, axis=1).astype(np.float64), draws[PRECISION].astype(np.float64), function
    )


def _function(problem: Problem, draws: Arrays, split: Split) -> NDArray[np.float64]:
    """The output of each draw (rows) for each example."""
    module, device = problem.network.module, split.inputs.device
    weights = {name: torch.from_numpy(each).to(device) for name, each in draws.items() if name != PRECISION}
    with evaluating(module), torch.no_grad():
        rows = [
            functional_call(module, {name: each[i] for name, each in weights.items()}, (split.inputs,))[:, 0]
            for i in range(len(draws[PRECISION]))
        ]
    return torch.stack(rows).double().cpu().numpy()


def _arrays(split: Split) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return split.inputs.flatten(1).cpu().numpy(), split.targets.cpu().numpy()


def _relative_error(predicted: NDArray[np.float64], split: Split) -> float:
    targets = split.targets.double().cpu().numpy()
    return float(np.linalg.norm(predicted - targets) / np.linalg.norm(targets))


def _record(
    problem: Problem, session: Session, step: int, metrics: Mapping[str, float], draws: Mapping[str, Tensor]
) -> None:
    losses = {
        f"{part}/loss": evaluate(problem.network.module, split, problem.loss).loss
        for part, split in (("train", problem.train), ("test", problem.test))
    }
    session.log(step, {**losses, **metrics})
    tensors = {f"model.{name}": tensor for name, tensor in problem.network.module.state_dict().items()}
    tensors |= {f"draws.{name}": tensor for name, tensor in draws.items()}
    session.save(TrainingState(step, tensors, {}, problem.dataset_sha256))
