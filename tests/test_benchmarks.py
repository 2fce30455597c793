"""Every benchmark runs, at toy size, and prints the ratio it is for; how large that is depends on the machine."""

import importlib.util
import re
from pathlib import Path

import pytest

from tests.command import ROOT, run

PEERS = "curvlinops"
if importlib.util.find_spec("pyhessian") is not None:  # of the extra `benchmarks`
    PEERS += " pyhessian pyhessian_batch"
TOY_SIZES = {
    "ablation": "--model mlp --examples 50 --orders 2 --points 3 --repeats 1 --threads 1",
    "cka": "--examples 40 --widths 5 60 --repeats 1 --threads 1",
    "curvature": f"--quick --networks mlp --threads 1 --peers {PEERS}",
    "double_descent_mnist1d": "--widths 2 --label-noise 0 --epochs 1 --sampled-epochs 1 --seeds 2",
    "overhead": "--trials 2 --peer-trials 2 --few 1",
    "perturbation_svd": "--quick --threads 1",
    "refine": "--widths 2 5 12 --factor 2 --epochs 1",
    "replicates": "--cases sinusoid --epochs 1",
    "scale": "--sizes 2",
    "stacking": "--networks lenet --members 2 --repeats 1",
    "store_costs": "--writers 2 --seconds 0.5",
    "training_throughput": "--models convnet --widths 1 --epochs 1 --examples 1408 --repeats 1 --threads 1",
    "twonn": "--quick --threads 1",
}


@pytest.mark.timeout(240)  # several processes, each of which imports torch
@pytest.mark.parametrize("name", TOY_SIZES)
def test_a_benchmark_prints_its_ratio(name: str, tmp_path: Path) -> None:
    program = f"benchmarks/{name}.py"
    ended = run(tmp_path / "cache", TOY_SIZES[name].split(), (program,), GENSWEEP_DATA=str(tmp_path / "none"))
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^ *ratio .*: \d+\.\d\d", ended.stdout, re.MULTILINE), ended.stdout


def test_no_benchmark_is_left_out() -> None:
    programs = {file.stem for file in (ROOT / "benchmarks").glob("*.py") if "__main__" in file.read_text()}
    assert programs == TOY_SIZES.keys()
